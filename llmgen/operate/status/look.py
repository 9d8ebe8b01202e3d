"""Look at this machine: units by systemctl or launchctl, ports and processes by psutil, HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from llmgen.errors import InputError
from llmgen.operate.engines.server import Endpoint, request
from llmgen.operate.foreground.run import MARK as FOREGROUND
from llmgen.operate.foreground.run import STACK
from llmgen.operate.installation.steps import Manager
from llmgen.operate.managers import launchd, systemd
from llmgen.operate.managers.launchd import Launchd
from llmgen.operate.managers.systemd import Systemd
from llmgen.operate.programs import refuse_no_manager, run
from llmgen.operate.site import state_of
from llmgen.operate.stack_owner import NOTE, StackOwner, read_owner
from llmgen.operate.status.observations import Process, ServerState, SlotWork, UnitState
from llmgen.web.limits import LimitError

_UNIT = re.compile(r"llmgen-.+\.service")
_MANAGER = re.compile(r"user@(\d+)\.service")
ABSENT = UnitState(is_loaded=False, is_active=False, state="absent")


def unit_states(manager: Manager, names: Sequence[str]) -> dict[str, UnitState]:
    """The states of units; InputError when there is no manager that could know them."""
    if isinstance(manager, Systemd) and names:
        done = run(manager.show(names), seconds=30)
        refuse_no_manager(done)
        found = systemd.answers(done.output) if done.ok else {}
        return {name: _systemd(found[name]) for name in names if name in found}
    if isinstance(manager, Launchd):
        return {name: _launchd(manager, name) for name in names}
    return {}


def listeners(ports: Iterable[int]) -> dict[int, Process | None]:
    """Who listens on these ports; a port that nobody has is left out."""
    wanted = {*ports}
    found: dict[int, Process | None] = {}
    if not wanted:
        return found
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        # macOS shows connections to root only; then each of our own processes is asked.
        connections = [*_own_connections()]
    for item in connections:
        if item.status == psutil.CONN_LISTEN and item.laddr and item.laddr.port in wanted:
            pid = item.pid or 0
            found[item.laddr.port] = process(pid) if pid else found.get(item.laddr.port)
    return found


def process(pid: int) -> Process | None:
    """A process as this user may see it; None when it is gone."""
    try:
        item = psutil.Process(pid)
        with item.oneshot():
            parents = tuple(parent.pid for parent in item.parents())
            user, memory = item.username(), _private(item.memory_info())
            words = tuple(item.cmdline()) or (item.name(),)
    except psutil.AccessDenied:
        return Process(pid)
    except psutil.NoSuchProcess:
        return None
    known = _environment(item)
    # Secrets are in there too; only the server's options are anybody's business.
    options = {name: value for name, value in known.items() if name.startswith("LLAMA_ARG_")}
    unit, owner = _unit_of(pid)
    return Process(
        pid,
        words,
        parents,
        user,
        memory,
        options,
        known.get(FOREGROUND, ""),
        _stack(known.get(STACK, "")),
        unit,
        owner,
        _folder(item),
    )


def _stack(text: str) -> tuple[str, ...]:
    try:
        names = json.loads(text)
    except ValueError:
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _folder(item: psutil.Process) -> str:
    try:
        return item.cwd() or "/"
    except psutil.Error:
        return "/"


def _unit_of(pid: int) -> tuple[str, StackOwner | None]:
    """The unit of a stack that a process is of, by its cgroup, and whose stack that is."""
    try:
        groups = Path(f"/proc/{pid}/cgroup").read_text("utf-8", "replace").splitlines()
    except OSError:
        return "", None
    for parts in (line.split("/") for line in groups):
        unit = next((part for part in parts if _UNIT.fullmatch(part)), "")
        if unit:
            managers = (_MANAGER.fullmatch(part) for part in parts)
            uid = next((int(found[1]) for found in managers if found), None)
            return unit, read_owner(Path(state_of(uid), NOTE))
    return "", None


def this_user() -> str:
    """Who looks, as processes name their users."""
    return str(psutil.Process().username())


def children(pid: int) -> list[Process]:
    """All processes below one."""
    try:
        below = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
    found = (process(item.pid) for item in below)
    return [item for item in found if item is not None]


def ask(endpoint: Endpoint, path: str, *, slots: bool = False) -> ServerState:
    """What a server says about itself; a server that is not there is an answer too."""
    try:
        got = request(endpoint, "GET", path)
    except LimitError as error:
        return ServerState(f"no whole answer: it {error.told}")
    except InputError:
        return ServerState("no answer")
    if got.status_code == 503:
        return ServerState("loading")
    if got.status_code >= 400:
        return ServerState(f"answers {got.status_code}")
    if not slots:
        return ServerState("ok")
    return _props(endpoint)


def _props(endpoint: Endpoint) -> ServerState:
    try:
        props = request(endpoint, "GET", "/props").json()
        if not isinstance(props, dict) or _sleeps(props):
            return ServerState("ok")
        slots = request(endpoint, "GET", "/slots").json()
    except (InputError, ValueError):
        return ServerState("ok")
    if not isinstance(slots, list):
        return ServerState("ok")
    settings = props.get("default_generation_settings")
    context = settings.get("n_ctx") if isinstance(settings, dict) else 0
    known = [slot for slot in slots if isinstance(slot, dict)]
    busy = sum(bool(slot.get("is_processing")) for slot in known)
    return ServerState(
        "ok",
        _count(context),
        _count(props.get("total_slots")),
        busy,
        work=tuple(map(_work, known)),
        has_metrics=props.get("endpoint_metrics") is True,
    )


def is_asleep(endpoint: Endpoint) -> bool:
    """Whether a llama-server sleeps; to be asked about its slots would wake it."""
    try:
        props = request(endpoint, "GET", "/props").json()
    except (InputError, ValueError):
        return False
    return isinstance(props, dict) and _sleeps(props)


def _sleeps(props: Mapping[str, Any]) -> bool:
    return props.get("is_sleeping") is True


def _work(slot: Mapping[str, Any]) -> SlotWork:
    match slot.get("next_token"):
        case [{"n_decoded": int() as tokens}, *_] | {"n_decoded": int() as tokens}:
            done = tokens
        case _:
            done = 0
    return SlotWork(_count(slot.get("id")), _count(slot.get("id_task")), done)


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _systemd(found: Mapping[str, str]) -> UnitState:
    return UnitState(
        is_loaded=found.get("LoadState") == "loaded",
        is_active=found.get("ActiveState") == "active",
        state=_state(found),
        result=found.get("Result", ""),
        restarts=_number(found.get("NRestarts")),
        pid=_number(found.get("MainPID")),
        memory_bytes=_number(found.get("MemoryCurrent")),
        is_outdated=found.get("NeedDaemonReload") == "yes",
        is_enabled=found.get("UnitFileState") not in ("disabled", "masked"),
        exit_code=_number(found.get("ExecMainStatus")),
    )


def _state(found: Mapping[str, str]) -> str:
    if found.get("LoadState") != "loaded":
        return "absent" if found.get("LoadState") == "not-found" else found.get("LoadState", "")
    active, sub = found.get("ActiveState", ""), found.get("SubState", "")
    return active if active in (sub, "active") else f"{active} ({sub})"


def _launchd(manager: Launchd, name: str) -> UnitState:
    done = run(manager.show(name), seconds=30)
    if not done.ok:
        return ABSENT
    found = launchd.answer(done.output)
    state = found.get("state", "")
    return UnitState(
        is_loaded=True,
        is_active=state == "running",
        state=state,
        result=found.get("last exit code", ""),
        restarts=max(0, _number(found.get("runs")) - 1),
        pid=_number(found.get("pid")),
    )


def _number(text: str | None) -> int:
    # Unset is `[not set]` or the largest 64-bit number.
    number = int(text) if text and text.isdigit() else 0
    return 0 if number >= 2**63 else number


def _own_connections() -> Iterator[Any]:
    for item in psutil.process_iter():
        try:
            yield from item.net_connections("tcp")
        except psutil.Error:
            continue


def _private(found: Any) -> int:  # noqa: ANN401 - psutil's fields differ by platform
    """Resident memory without what is mapped from files, where the platform tells them apart."""
    return int(found.rss) - int(getattr(found, "shared", 0))


def _environment(item: psutil.Process) -> Mapping[str, str]:
    try:
        return item.environ()
    except (psutil.Error, OSError):
        return {}
