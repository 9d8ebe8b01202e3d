"""What runs, as rows for people: services, models, devices; pure, from what was seen."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from msgspec import Struct

from llmgen.budget.memory import HOST
from llmgen.config.names import service_name
from llmgen.library import Keep
from llmgen.operate.engines.swap import Loaded
from llmgen.operate.status.commands import as_wanted, same_command, same_words
from llmgen.operate.status.observations import Observed, Process, ServerState, UnitState
from llmgen.operate.status.port_holder import ServicePort, Whose, holder
from llmgen.plan.plan import Placement, Plan, Pool
from llmgen.targets.services import Service

UNKNOWN = "unknown"
# The health page of what speaks another protocol: who listens is all that is looked at.
NOT_HTTP = ""
_SILENT = ServerState("")
# llama-swap's and the router's states in which a process has its memory or is taking it.
HOLDS = ("ready", "loaded", "loading", "starting")


class ExpectedService(Struct, frozen=True):
    """One service of the plan: its unit, the port it serves, and where it tells its health.

    Cron's stack has no units: ``unit`` is empty then. ``inside`` starts curl in its container,
    ``published`` says whether the machine's own port leads to it.
    """

    service: Service
    unit: str
    port: int
    url: str
    health: str = "/health"
    inside: tuple[str, ...] = ()
    published: bool = True

    @property
    def at(self) -> ServicePort:
        """The service with its port, as who holds it is asked."""
        service = self.service
        proxied = bool(service.runtimes)
        port = self.port if self.published else 0
        return ServicePort(service.name, self.unit, port, service.argv, proxied=proxied)


class ServiceStatus(Struct, frozen=True):
    """One service as a person wants to see it."""

    name: str
    unit: str
    state: str
    health: str
    port: int
    pid: int
    restarts: int
    memory: int
    memory_max: int
    command_is_wanted: bool | None


class ModelStatus(Struct, frozen=True):
    """One model: where it is in its life, its context and slots, its memory against the plan.

    ``device_memory`` is None where no driver tells it.
    """

    name: str
    keep: str
    state: str
    context: int
    slots: int
    busy: int
    memory: int
    memory_planned: int
    device_memory: int | None
    device_memory_planned: int
    command_is_wanted: bool | None


class DeviceStatus(Struct, frozen=True):
    """One device: what is used of it, by whomever, and what the plan gives to what runs now."""

    device: str
    used: int | None
    planned: int | None
    capacity: int


class PoolStatus(Struct, frozen=True):
    """One limit on memory, in bytes: what the plan gives to the models that run now, and what is.

    ``held`` is what the stack's own processes have, ``used`` what all programs have together; None
    where nobody tells. ``budget`` is what models may use of ``capacity``.
    """

    pool: str
    planned: int | None
    held: int | None
    used: int | None
    budget: int
    capacity: int


def services(expected: Iterable[ExpectedService], seen: Observed) -> Iterator[ServiceStatus]:
    """The rows of the services."""
    for item in expected:
        unit, own = (None if seen.another else seen.units.get(item.unit)), owner(item, seen)
        pid = unit.pid if unit and unit.pid else own.pid if own else 0
        process = seen.processes.get(pid) or own
        yield ServiceStatus(
            name=item.service.name,
            unit=item.unit,
            state=_state(unit, own, seen),
            health=seen.answers.get(item.service.name, ServerState("unknown")).health,
            port=item.port if item.published else 0,
            pid=pid,
            restarts=unit.restarts if unit else 0,
            memory=(unit.memory_bytes if unit else 0) or (process.memory_bytes if process else 0),
            memory_max=item.service.memory_bytes,
            command_is_wanted=as_wanted(item.service, process),
        )


def models(plan: Plan, seen: Observed) -> Iterator[ModelStatus]:
    """The rows of the models."""
    loaded = {item.model: item for item in seen.loaded or ()}
    for placement in plan.placements:
        yield (
            _always(plan, placement, seen)
            if placement.keep is Keep.ALWAYS
            else _demand(plan, placement, loaded.get(placement.name), seen)
        )


def devices(plan: Plan, seen: Observed) -> Iterator[DeviceStatus]:
    """The rows of the devices; nothing is planned for sure while a model's state is unknown."""
    states = {row.name: row.state for row in models(plan, seen)}
    running = [item for item in plan.placements if states[item.name] in HOLDS]
    for index, device in enumerate(plan.library.machine.devices):
        planned = sum(planned_on(plan, item, device.key) for item in running)
        yield DeviceStatus(
            device=device.key,
            used=seen.devices[index].used if index < len(seen.devices) else None,
            planned=None if UNKNOWN in states.values() else planned,
            capacity=device.memory_bytes,
        )


def pools(plan: Plan, seen: Observed) -> Iterator[PoolStatus]:
    """The rows of the pools of this machine; of a model whose state is unknown nothing is sure."""
    states = {row.name: row.state for row in models(plan, seen)}
    running = [item for item in plan.placements if states[item.name] in HOLDS]
    for pool in plan.pools:
        if pool.host != plan.library.machine.host:
            continue
        planned = sum(item.footprint.get(pool.name, 0) for item in running)
        yield PoolStatus(
            pool=pool.name,
            planned=None if UNKNOWN in states.values() else planned,
            held=_held(plan, pool, seen),
            used=_used(plan, pool, seen),
            budget=pool.budget_bytes,
            capacity=pool.capacity_bytes,
        )


def _held(plan: Plan, pool: Pool, seen: Observed) -> int | None:
    """What the stack's processes have in it; drivers tell a process's sum over all devices."""
    devices = [device.key for device in plan.library.machine.devices]
    on_devices = [view for view in pool.views if view != HOST]
    host = sum(item.memory_bytes for item in seen.processes.values()) if HOST in pool.views else 0
    if not on_devices:
        return host
    if not seen.device_memory or {*on_devices} != {*devices}:
        return None
    return host + sum(seen.device_memory.values())


def _used(plan: Plan, pool: Pool, seen: Observed) -> int | None:
    """What everybody has in it: of unified memory the host's figure counts both."""
    if HOST in pool.views:
        return seen.host_used
    keys = [device.key for device in plan.library.machine.devices]
    seen_by_key = dict(zip(keys, seen.devices, strict=False))
    sizes = [seen_by_key[view].used if view in seen_by_key else None for view in pool.views]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def owner(item: ExpectedService, seen: Observed) -> Process | None:
    """The process that has the service's port, when it is the service's own."""
    found = holder(item.at, seen)
    return found.process if found.whose is Whose.OURS else None


def _state(unit: UnitState | None, own: Process | None, seen: Observed) -> str:
    if unit is not None and unit.is_loaded:
        return unit.state
    if own is not None:
        return "foreground" if own.foreground else "running"
    return "absent" if seen.no_manager is None else UNKNOWN


def _always(plan: Plan, placement: Placement, seen: Observed) -> ModelStatus:
    process = seen.listeners.get(placement.port) or _of_unit(placement, seen)
    answer = seen.answers.get(placement.name, ServerState("no answer"))
    names = {"ok": "ready", "loading": "loading"}
    otherwise = "not running" if seen.no_manager is None else UNKNOWN
    state = names.get(answer.health, otherwise)
    return _row(plan, placement, seen, state, answer=answer, process=process)


def _demand(plan: Plan, placement: Placement, found: Loaded | None, seen: Observed) -> ModelStatus:
    if seen.loaded is None:
        return _row(plan, placement, seen, UNKNOWN)
    if found is None:
        return _row(plan, placement, seen, "unloaded")
    answer = seen.answers.get(placement.name, ServerState(""))
    process = _server(placement, found, seen)
    words = found.words or tuple(shlex.split(found.command))
    same = same_command if placement.model.is_plain else same_words
    is_same = same(placement.argv, words)
    return _row(
        plan,
        placement,
        seen,
        found.state,
        answer=answer,
        process=process,
        command_is_wanted=is_same,
    )


def _server(placement: Placement, found: Loaded, seen: Observed) -> Process | None:
    port = found.url.rsplit(":", 1)[-1]
    listening = seen.listeners.get(int(port)) if port.isdigit() else None
    if listening is not None or (port.isdigit() and not placement.model.is_llama):
        return listening
    # The port may be one within a container.
    return _by_path(placement, seen)


def _of_unit(placement: Placement, seen: Observed) -> Process | None:
    """The first process of the model's own unit, or of its container."""
    name = f"llmgen-{service_name(placement.name)}"
    unit = seen.units.get(name) or seen.units.get(f"{name}.service")
    return seen.processes.get(unit.pid) if unit else None


def _by_path(placement: Placement, seen: Observed) -> Process | None:
    """The process of the stack that was told to read the model's file."""
    path = str(placement.model.path)
    return next((item for item in seen.processes.values() if path in item.words), None)


def _row(
    plan: Plan,
    placement: Placement,
    seen: Observed,
    state: str,
    *,
    answer: ServerState = _SILENT,
    process: Process | None = None,
    command_is_wanted: bool | None = None,
) -> ModelStatus:
    keys = [device.key for device in plan.library.machine.devices]
    return ModelStatus(
        name=placement.name,
        keep=placement.keep.value,
        state=state,
        context=answer.n_ctx,
        slots=answer.slots,
        busy=answer.busy,
        memory=process.memory_bytes if process else 0,
        memory_planned=placement.estimate.on("host"),
        device_memory=seen.device_memory.get(process.pid) if process else None,
        device_memory_planned=sum(planned_on(plan, placement, key) for key in keys),
        command_is_wanted=command_is_wanted,
    )


def planned_on(plan: Plan, item: Placement, device: str) -> int:
    """What the process takes from a device, with what the backend takes for each process."""
    needed = item.estimate.on(device)
    if not item.model.is_llama or device == HOST:
        return needed
    return needed + plan.library.machine.process_overhead_bytes if needed else 0
