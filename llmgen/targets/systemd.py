"""systemd units, of the system or of a user: one service each, one target that groups them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from llmgen.artifacts import Artifact, Render
from llmgen.library import Library
from llmgen.plan.plan import Plan
from llmgen.render.quoting import systemd, systemd_argv, systemd_path, systemd_text
from llmgen.targets import accounts
from llmgen.targets.hardening import system_lines, user_lines
from llmgen.targets.launch import credential, launch
from llmgen.targets.services import Service, guard, services
from llmgen.units import MIB

NAME = "systemd"
SUMMARY = "units for servers, engine and gateways, hardened, with memory limits"

TARGET: Final = "llmgen.target"
GUARD: Final = "guard"
# polkit(8) reads rules there, in the order of their names.
RULES: Final = PurePosixPath("/etc/polkit-1/rules.d/50-llmgen.rules")
# Within so many seconds the attempts of a service to start are counted; then the unit stays failed.
_INTERVAL = 300


def in_use(plan: Plan) -> bool:
    """Whether the machine has systemd."""
    return plan.library.machine.os == "linux"


def artifacts(plan: Plan, render: Render) -> Iterable[Artifact]:
    """A unit for each enabled service, the target, and the timer of [guard]."""
    found = services(plan)
    if not found:
        return
    library = plan.library
    match library.config.services.runtime:
        case "native":
            units = found
        case "compose" if not library.config.guard.enable:
            return
        case _:
            # Containers have units of their own, or none; what looks after them is no container.
            units = ()
    for service in units:
        yield _artifact(library, f"{unit(service.name)}", _service(service, library, render))
    yield _artifact(library, TARGET, render("systemd/llmgen.target.j2", **_target(library)))
    if (group := library.config.services.operators) and library.layout.scope == "system":
        yield Artifact(
            path=PurePosixPath(NAME, "system", RULES.name),
            content=render("systemd/polkit.rules.j2", group=group),
            target=NAME,
            install=RULES if library.machine.os == "linux" else None,
        )
    if library.config.guard.enable:
        yield _artifact(library, unit(GUARD), _guard(library, render))
        interval = library.config.guard.interval
        timer = render("systemd/llmgen-guard.timer.j2", interval=interval, target=TARGET)
        yield _artifact(library, f"llmgen-{GUARD}.timer", timer)


def unit(name: str) -> str:
    """The unit of a service."""
    return f"llmgen-{name}.service"


def _artifact(library: Library, name: str, content: bytes) -> Artifact:
    scope, is_linux = library.layout.scope, library.machine.os == "linux"
    return Artifact(
        path=PurePosixPath(NAME, scope, name),
        content=content,
        target=NAME,
        install=library.layout.units / name if is_linux else None,
    )


def _service(service: Service, library: Library, render: Render) -> bytes:
    scope, layout = library.layout.scope, library.layout
    return render(
        "systemd/service.j2",
        summary=service.summary,
        target=TARGET,
        after=["network.target", *map(unit, service.after)],
        wants=[*map(unit, service.after)],
        burst=service.tries or 1,
        # What waits for another machine is tried until it is there.
        interval=_INTERVAL if service.tries else 0,
        restarts=service.restarts,
        lines=[
            *(accounts.lines(service, library.config.services) if scope == "system" else ()),
            *_environment(service, library),
            *_gate(service, library),
            *(("ExecStartPre", systemd_argv(words)) for words in service.before),
            ("ExecStart", systemd_argv(launch(service, layout, credentials=scope == "system"))),
            *((("ExecStop", systemd_argv(service.stop)),) if service.stop else ()),
            *_limits(service),
        ],
        hardening=_hardening(service, library),
    )


def _gate(service: Service, library: Library) -> Iterator[tuple[str, str]]:
    """Where [guard] has a gate, a model starts only while its memory is free."""
    if library.config.guard.gate and service.gate:
        yield "ExecCondition", systemd_argv(guard(library.layout, "--gate", service.gate))


def _hardening(service: Service, library: Library) -> tuple[tuple[str, str], ...]:
    if library.layout.scope == "user":
        return user_lines(service)
    own = accounts.own_folder(library.config.services, service.name)
    return tuple(system_lines(service, library.layout, library.machine.backend, own))


def _environment(service: Service, library: Library) -> Iterator[tuple[str, str]]:
    if service.environment_file is not None:
        yield "EnvironmentFile", systemd_path(service.environment_file)
    else:
        yield from (
            ("Environment", systemd(f"{name}={value}")) for name, value in service.environment
        )
    if service.made_file is not None:
        yield "EnvironmentFile", systemd_path(f"-{service.made_file}")
    yield from _secrets(service, library)


def _secrets(service: Service, library: Library) -> Iterator[tuple[str, str]]:
    layout, scope = library.layout, library.layout.scope
    pairs = (*service.secrets, *(("", secret) for secret in service.read_before))
    variables = dict.fromkeys(secret.env for _, secret in pairs if secret.env)
    if variables:
        # Where a machine's keeper of secrets puts them; a user's manager passes its own on.
        yield "EnvironmentFile", systemd_path(f"-{layout.config / 'secrets.env'}")
        if scope == "system":
            yield "PassEnvironment", " ".join(variables)
    loaded = (credential(name, secret, layout, scope=scope) for name, secret in pairs)
    yield from (("LoadCredential", systemd_text(item)) for item in dict.fromkeys(loaded) if item)


def _limits(service: Service) -> Iterator[tuple[str, str]]:
    yield "TimeoutStartSec", str(service.start_seconds)
    yield "TimeoutStopSec", str(service.stop_seconds)
    yield "LimitNOFILE", "65536"
    if not service.tries:
        # llama-server aborts where its RPC server is not there yet.
        yield "LimitCORE", "0"
    if service.memory_bytes:
        yield "MemoryMax", f"{-(-service.memory_bytes // MIB)}M"
        # The plan counts memory alone; a server that is swapped out is slower than one that is
        # ended and started again.
        yield "MemorySwapMax", "0"
    if service.locks_memory:
        yield "LimitMEMLOCK", "infinity"


def _target(library: Library) -> dict[str, object]:
    system = library.layout.scope == "system"
    return {"wanted_by": "multi-user.target" if system else "default.target"}


def _guard(library: Library, render: Render) -> bytes:
    layout, table = library.layout, library.config.services
    command = guard(layout)
    # It asks servers within containers by podman or docker, which are root's, or make namespaces.
    contained = table.runtime != "native"
    service = Service(GUARD, "guard", command, runtimes=(table.runtime,) if contained else ())
    own = layout.scope == "system" and not contained
    account = accounts.lines(service, table) if own else ()
    return render(
        "systemd/llmgen-guard.service.j2",
        lines=[*account, ("ExecStart", systemd_argv(command))],
        hardening=_hardening(service, library),
    )
