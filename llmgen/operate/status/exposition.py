"""What `status` found, as Prometheus reads it from a file (its text format); pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from llmgen.errors import Diagnostic, Severity
from llmgen.operate.status.rows import UNKNOWN, DeviceStatus, ModelStatus, ServiceStatus
from llmgen.plan.plan import Plan, Pool

# States in which a model has its memory.
_LOADED: Final = ("ready", "loaded", "sleeping")
# Every series, in the order in which they are written.
_HELP: Final = {
    "llmgen_status_timestamp_seconds": "When llmgen looked",
    "llmgen_service_up": "Whether a service of the stack answers",
    "llmgen_model_loaded": "Whether a model is in memory",
    "llmgen_model_slots": "Slots of a loaded model",
    "llmgen_model_slots_busy": "Slots that work",
    "llmgen_model_memory_bytes": "Memory of a loaded model's processes: host, or all devices",
    "llmgen_model_memory_planned_bytes": "The same as planned",
    "llmgen_model_load_seconds": "Least time of a load: size of the files by the disk's bandwidth",
    "llmgen_pool_capacity_bytes": "Size of a memory pool",
    "llmgen_pool_reserve_bytes": "What models leave to other programs",
    "llmgen_pool_peak_bytes": "What models take of it in the plan's fullest state",
    "llmgen_pool_planned_bytes": "What the plan gives to the models that run now",
    "llmgen_pool_used_bytes": "What is in use, by whomever",
    "llmgen_differences": "What is not as llm.toml wants it, by the code of the finding",
    "llmgen_guard_unloads_total": "Models that guard has unloaded",
}
_TOTALS: Final = ("llmgen_guard_unloads_total",)


class FoundStack(Struct, frozen=True):
    """What was seen: rows of `status`, the host's memory in use, and what guard has unloaded."""

    services: Sequence[ServiceStatus]
    models: Sequence[ModelStatus]
    devices: Sequence[DeviceStatus]
    differences: Sequence[Diagnostic]
    host_used: int
    unloads: int
    seconds: float


class Sample(Struct, frozen=True):
    """One figure of one series."""

    name: str
    value: float
    labels: Mapping[str, str] = {}


def exposition(plan: Plan, found: FoundStack) -> str:
    """Every figure that is known, one series a line; what could not be found out is left out."""
    made: dict[str, list[Sample]] = {name: [] for name in _HELP}
    for item in _samples(plan, found):
        made[item.name].append(item)
    return "".join(_family(name, items) for name, items in made.items() if items)


def _samples(plan: Plan, found: FoundStack) -> Iterator[Sample]:
    yield Sample("llmgen_status_timestamp_seconds", found.seconds)
    for row in found.services:
        if row.health not in ("", UNKNOWN):
            yield Sample("llmgen_service_up", row.health == "ok", {"service": row.name})
    for model in found.models:
        yield from _model(plan, model)
    yield from _pools(plan, found)
    wrong = (item.code for item in found.differences if item.severity is Severity.ERROR)
    for code, count in sorted(Counter(wrong).items()):
        yield Sample("llmgen_differences", count, {"code": code})
    yield Sample("llmgen_guard_unloads_total", found.unloads)


def _model(plan: Plan, row: ModelStatus) -> Iterator[Sample]:
    own, bandwidth = {"model": row.name}, plan.library.machine.disk_bandwidth_bytes
    size = plan.placement(row.name).model.facts.size_bytes
    if size and bandwidth:
        yield Sample("llmgen_model_load_seconds", size / bandwidth, own)
    if row.state == UNKNOWN:
        return
    loaded = row.state in _LOADED
    yield Sample("llmgen_model_loaded", loaded, own)
    if not loaded:
        return
    if row.slots:
        yield Sample("llmgen_model_slots", row.slots, own)
        yield Sample("llmgen_model_slots_busy", row.busy, own)
    held = {"host": (row.memory or None, row.memory_planned)}
    held["devices"] = (row.device_memory, row.device_memory_planned)
    for memory, (now, planned) in held.items():
        if now is not None:
            labels = {**own, "memory": memory}
            yield Sample("llmgen_model_memory_bytes", now, labels)
            yield Sample("llmgen_model_memory_planned_bytes", planned, labels)


def _pools(plan: Plan, found: FoundStack) -> Iterator[Sample]:
    states = {row.name: row.state for row in found.models}
    running = [name for name, state in states.items() if state in _LOADED]
    for item in plan.headroom:
        own = {"pool": item.pool.name}
        yield Sample("llmgen_pool_capacity_bytes", item.pool.capacity_bytes, own)
        yield Sample("llmgen_pool_reserve_bytes", item.pool.reserve_bytes, own)
        yield Sample("llmgen_pool_peak_bytes", item.peak_bytes, own)
        used = _used(item.pool, found)
        if used is not None:
            yield Sample("llmgen_pool_used_bytes", used, own)
        if UNKNOWN not in states.values():
            sizes = (plan.placement(name).footprint.get(item.pool.name, 0) for name in running)
            yield Sample("llmgen_pool_planned_bytes", sum(sizes), own)


def _used(pool: Pool, found: FoundStack) -> int | None:
    """Unified memory is the host's; of devices only where the driver tells it of all."""
    if "host" in pool.views:
        return found.host_used
    known = {row.device: row.used for row in found.devices}
    sizes = [known.get(view) for view in pool.views]
    told = [size for size in sizes if size is not None]
    return sum(told) if told and len(told) == len(sizes) else None


def _family(name: str, items: Iterable[Sample]) -> str:
    kind = "counter" if name in _TOTALS else "gauge"
    lines = [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(item.labels)} {_number(item.value)}" for item in items]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
