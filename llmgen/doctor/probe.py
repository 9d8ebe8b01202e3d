"""Look at the machine for doctor: run programs with argument lists, read files, change nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from stat import S_IMODE

from llmgen.config.names import service_name
from llmgen.detect.devices import DRM
from llmgen.detect.probe import installers
from llmgen.doctor import containers
from llmgen.doctor.access import UserIdentity, closed_to, closing, identity
from llmgen.doctor.hello import hello
from llmgen.doctor.observations import FileSeen, Holder, Ran, Seen
from llmgen.doctor.rules import rpc, secrets
from llmgen.doctor.rules.files import readers, wanted
from llmgen.doctor.rules.gpu import ROCM_RELEASE
from llmgen.doctor.rules.heat import MACOS, NVIDIA, SENSORS
from llmgen.doctor.rules.kernels import KFD_NODES
from llmgen.doctor.rules.memory import GTT, TTM_PAGES, VRAM
from llmgen.doctor.rules.programs import needed, own
from llmgen.doctor.rules.services import listening
from llmgen.errors import InputError
from llmgen.gateway.addresses import in_url, nearest
from llmgen.plan.plan import Plan
from llmgen.targets.accounts import group
from llmgen.targets.services import services
from llmgen.web.client import asking
from llmgen.web.limits import QUICK

TIMEOUT_SECONDS = 15
LOG_LINES = "400"


def look(plan: Plan) -> Seen:
    """Everything that the rules want to know and that can be found out here."""
    import psutil  # noqa: PLC0415 - only doctor and status need it

    programs = needed(plan)
    return Seen(
        programs={key: shutil.which(path) is not None for key, path in programs.items()},
        tools=installers(),
        ran={
            **dict(_commands(plan, programs)),
            **dict(_rpc(plan, programs)),
            **dict(containers.commands(plan, run)),
        },
        files=dict(_files(plan)),
        secrets=dict(_modes(plan)),
        ports=_ports(plan),
        memory_bytes=psutil.virtual_memory().total,
        sysfs={**dict(_sysfs()), **dict(containers.sysfs())},
        environment={key: value for key, value in os.environ.items() if key.startswith("LLAMA_")},
        config_files=tuple(_config_files()),
        groups=_groups(),
        linger=_linger(),
        memlock_bytes=_memlock(),
        restarts=dict(_restarts(plan)),
        logs=dict(_logs(plan)),
        cors=dict(_cors(plan)),
        images=dict(containers.images(plan, run)),
        architecture=containers.architecture(),
        subuids=containers.subuids(),
    )


def run(*words: str, environment: Mapping[str, str] | None = None) -> Ran:
    """Run a program without a shell; one that is missing or hangs has no exit code."""
    try:
        done = subprocess.run(  # noqa: S603 - an argument list of our own
            words, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False,
            errors="replace", stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return Ran(None, err=str(error))
    return Ran(done.returncode, done.stdout, done.stderr)


def _commands(plan: Plan, programs: dict[str, str]) -> Iterator[tuple[str, Ran]]:
    for key, option in (
        ("llama_server", "--version"),
        ("llama_server", "--help"),
        ("llama_server", "--list-devices"),
        ("llama_swap", "-version"),
    ):
        if key in programs and os.access(programs[key], os.X_OK):
            # Devices are numbered by the environment that servers have.
            usual = dict(plan.library.machine.environment)
            yield f"{key} {option}", run(programs[key], option, environment=usual)
    for item in own(plan):
        if item.model.is_plain and os.access(item.argv[0], os.X_OK):
            yield f"{item.argv[0]} --help", run(item.argv[0], "--help")
    if plan.library.machine.backend == "cuda":
        yield "nvidia-smi -L", run("nvidia-smi", "-L")
        yield "nvidia-smi", run("nvidia-smi")
        yield " ".join(NVIDIA), run(*NVIDIA)
    if plan.library.machine.os == "macos":
        yield " ".join(MACOS), run(*MACOS)
        yield "sysctl iogpu.wired_limit_mb", run("sysctl", "-n", "iogpu.wired_limit_mb")


def _rpc(plan: Plan, programs: dict[str, str]) -> Iterator[tuple[str, Ran]]:
    """What each RPC server says of itself, and what llama-server makes of that."""
    beside = str(plan.library.layout.rpc_server.with_name("llama-server"))
    if plan.library.config.rpc.lend and os.access(beside, os.X_OK):
        yield rpc.BESIDE, run(beside, "--version")
    for endpoint in rpc.wanted(plan):
        host, _, port = endpoint.partition(":")
        said = hello(host, int(port))
        yield rpc.greeting(endpoint), Ran(0, said)
        # One that has a client would let the next one wait.
        if said != "busy" and os.access(programs.get("llama_server", ""), os.X_OK):
            words = (programs["llama_server"], "--rpc", endpoint, "--list-devices")
            yield rpc.listing(endpoint), run(*words)


def _files(plan: Plan) -> Iterator[tuple[str, FileSeen]]:
    services = plan.library.config.services
    # A user's own services run as whoever asks.
    own = services.scope == "user"
    shared = group(services)
    groups = (*services.groups, *((shared,) if shared else ()))
    users = readers(plan)
    for path in wanted(plan):
        who = None if own else identity(users[path], groups)
        yield path, _file(Path(path), who, own=own)


def _modes(plan: Plan) -> Iterator[tuple[str, int]]:
    for path in secrets.wanted(plan):
        try:
            yield path, S_IMODE(Path(path).stat().st_mode)
        except OSError:
            continue


def _file(path: Path, who: UserIdentity | None, *, own: bool) -> FileSeen:
    try:
        size = path.stat().st_size
        closed = closed_to(who, path) if who else ""
        what = closing(who, path) if closed and who else None
        if path.is_dir():
            return FileSeen(size, readable=not closed, problem=closed)
        with path.open("rb") as stream:
            magic = stream.read(4)
    except FileNotFoundError:
        return FileSeen(None)
    except OSError as error:
        return FileSeen(_size(path), readable=False, problem=error.strerror or str(error))
    if own or who:
        kept_out = "" if what is None else f"{what}/" if what != path else str(what)
        return FileSeen(size, readable=not closed, magic=magic, problem=closed, closed=kept_out)
    return FileSeen(size, readable=None, magic=magic)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _ports(plan: Plan) -> dict[int, Holder | None]:
    import psutil  # noqa: PLC0415

    try:
        found_open = {
            item.laddr.port: item.pid
            for item in psutil.net_connections("tcp")
            if item.status == psutil.CONN_LISTEN and item.laddr
        }
    except (psutil.AccessDenied, OSError):
        return {}
    ours, own = {Path(path).name for path in needed(plan).values()}, {*_main_pids(plan)}
    ours |= containers.forwarders(plan)
    found: dict[int, Holder | None] = {}
    for port in listening(plan).values():
        if port not in found_open:
            found[port] = None
            continue
        pid = found_open[port]
        name = _process_name(pid)
        found[port] = Holder(pid, name, ours=name in ours or pid in own)
    return found


def _process_name(pid: int | None) -> str:
    import psutil  # noqa: PLC0415

    try:
        return psutil.Process(pid).name() if pid else "another user's program"
    except psutil.Error:
        return "a program that just ended"


def _sysfs() -> Iterator[tuple[str, str]]:
    cards = sorted(DRM.glob("card[0-9]*/device"))
    paths = [card / name for card in cards for name in (VRAM, GTT)]
    paths += [path for card in cards for path in sorted(card.glob(SENSORS))]
    paths += sorted(Path(KFD_NODES).glob("*/properties"))
    for path in (*paths, Path(TTM_PAGES), Path(ROCM_RELEASE)):
        try:
            yield str(path), path.read_text("ascii", "replace")
        except OSError:
            continue


def _config_files() -> Iterator[str]:
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    for path in (Path("/etc/llama.cpp/config.ini"), Path(base) / "llama.cpp" / "config.ini"):
        if path.exists():
            yield str(path)


def _groups() -> tuple[str, ...] | None:
    ran = run("id", "-nG")
    return tuple(ran.out.split()) if ran.code == 0 else None


def _linger() -> bool | None:
    ran = run("loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value")
    return ran.out.strip() == "yes" if ran.code == 0 else None


def _memlock() -> int | None:
    import resource  # noqa: PLC0415 - no such module outside POSIX

    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return -1 if soft == resource.RLIM_INFINITY else soft


def _units(plan: Plan) -> Iterator[tuple[str, str]]:
    """(model or service, unit) of everything that the plan runs."""
    models = {service_name(item.name): item.name for item in plan.placements}
    for service in services(plan):
        yield models.get(service.name, service.name), f"llmgen-{service.name}.service"


def _main_pids(plan: Plan) -> Iterator[int]:
    """The processes of the plan's units, whatever program they were installed with."""
    for _, unit in _units(plan):
        text = _shown(plan, unit, "MainPID")
        if text.isdigit() and text != "0":
            yield int(text)


def _shown(plan: Plan, unit: str, key: str) -> str:
    user = ["--user"] if plan.library.config.services.scope == "user" else []
    ran = run("systemctl", *user, "show", unit, f"--property={key}", "--value")
    return ran.out.strip() if ran.code == 0 else ""


def _restarts(plan: Plan) -> Iterator[tuple[str, int]]:
    for _, unit in _units(plan):
        text = _shown(plan, unit, "NRestarts")
        if text.isdigit():
            yield unit, int(text)


def _logs(plan: Plan) -> Iterator[tuple[str, str]]:
    user = ["--user"] if plan.library.config.services.scope == "user" else []
    for name, unit in _units(plan):
        ran = run("journalctl", *user, "--unit", unit, "--lines", LOG_LINES, "--output", "cat")
        if ran.code == 0 and ran.out:
            yield unit, ran.out
            yield name, ran.out


def _cors(plan: Plan) -> Iterator[tuple[str, str]]:
    import httpx  # noqa: PLC0415 - 60 ms that other commands do not pay

    envoy = plan.library.config.gateway.envoy
    if not envoy.enable:
        return
    scheme, near = "https" if envoy.tls else "http", in_url(nearest(envoy.listen))
    for origin in envoy.cors_origins:
        headers = {"origin": origin, "access-control-request-method": "POST"}
        url = f"{scheme}://{near}:{envoy.port}/v1/chat/completions"
        try:
            # The header is wanted, not the identity.
            with (
                asking(url, QUICK, headers, verify=False) as (client, _),
                client.stream("OPTIONS", url) as answer,
            ):
                yield origin, answer.headers.get("access-control-allow-origin", "")
        except (httpx.HTTPError, InputError):
            continue
