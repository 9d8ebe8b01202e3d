"""What is left of each memory pool, measured, beside what the plan counts on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import psutil
from msgspec import Struct

from llmgen.budget.memory import HOST
from llmgen.detect.devices import Gpu
from llmgen.operate.status.beyond_plan import Beyond, beyond_plan, on_pool
from llmgen.operate.status.observations import Observed
from llmgen.plan.plan import Headroom, Plan, Pool, State
from llmgen.units import MIB, show_size


class LeftMemory(Struct, frozen=True):
    """One pool: what there is of it, what others hold, and what the plan's worst state needs.

    ``reserve_bytes`` is what [hardware] keeps for others, ``device`` the pool's name in [budget].
    ``models`` are those of the worst state, ``beyond`` what they hold more than planned;
    ``uncounted_bytes`` is the most of that in any state that only a reserve can count.
    ``others_seen`` is False where no driver tells what others hold: the reserve stands in.
    """

    device: str
    pool: str
    total_bytes: int
    others_bytes: int
    peak_bytes: int
    capacity_bytes: int
    reserve_bytes: int
    models: tuple[str, ...] = ()
    beyond: tuple[Beyond, ...] = ()
    uncounted_bytes: int = 0
    others_seen: bool = True

    @property
    def missing_bytes(self) -> int:
        """What the worst state would lack; negative where it has room."""
        beyond = sum(item.size_bytes for item in self.beyond)
        return self.peak_bytes + beyond + self.others_bytes - self.total_bytes

    @property
    def more_bytes(self) -> int:
        """What [budget] has to reserve beyond [hardware], in whole MiB, for the plan to be true."""
        others = self.capacity_bytes - self.total_bytes + self.others_bytes - self.reserve_bytes
        return max(0, -(-(others + self.uncounted_bytes) // MIB) * MIB)

    @property
    def expected(self) -> str:
        """What the plan counts on."""
        return f"{show_size(self.peak_bytes)} of {self.device} for models, beside other programs"

    @property
    def observed(self) -> str:
        """What there is, and who holds more than planned."""
        left = show_size(max(0, self.total_bytes - self.others_bytes))
        others = show_size(self.others_bytes)
        held = f"left by others, who hold {others}" if self.others_seen else f"beside {others} kept"
        return "; ".join([f"{left} {held}", *(item.sentence for item in self.beyond)])


def left_by_others(plan: Plan, seen: Observed) -> Iterator[LeftMemory]:
    """The host's pool, and a single device's, where what others hold can be told apart.

    Of other devices those on which a model was measured to hold more than planned.
    """
    host = psutil.virtual_memory()
    own = sum(item.memory_bytes for item in seen.processes.values())
    used = host.total - host.available
    beyond = beyond_plan(plan, seen)
    for room in plan.headroom:
        found: tuple[int, int] | None = None
        if HOST in room.pool.views:
            found = host.total, max(0, used - own)
        elif len(plan.library.machine.devices) == 1 == len(seen.devices):
            found = _of_device(seen.devices, seen)
        left = _left(plan, room, found, beyond)
        if found is not None or left.beyond:
            yield left


def _of_device(devices: Sequence[Gpu], seen: Observed) -> tuple[int, int] | None:
    (gpu,) = devices
    if gpu.total is None or gpu.used is None:
        return None
    return gpu.total, max(0, gpu.used - sum(seen.device_memory.values()))


def _left(
    plan: Plan, room: Headroom, found: tuple[int, int] | None, beyond: Sequence[Beyond]
) -> LeftMemory:
    pool, device = room.pool, room.pool.views[0]
    kept = pool.reserve_bytes - _more(plan).get(device, 0)
    total, others = found or (pool.capacity_bytes, kept)
    worst = max(plan.states, key=lambda item: item.peaks[pool.name] + _size(pool, item, beyond))
    undeclared = [item for item in beyond if not item.is_declared]
    return LeftMemory(
        device=device,
        pool=pool.name,
        total_bytes=total,
        others_bytes=others,
        peak_bytes=worst.peaks[pool.name],
        capacity_bytes=pool.capacity_bytes,
        reserve_bytes=kept,
        models=worst.models,
        beyond=tuple(on_pool(beyond, pool.views, worst.models)),
        uncounted_bytes=max(_size(pool, item, undeclared) for item in plan.states),
        others_seen=found is not None,
    )


def _more(plan: Plan) -> Mapping[str, int]:
    """What [budget] reserves by device, under the device's own key."""
    machine = plan.library.machine
    reserve = plan.library.config.budget.reserve
    return {machine.key_of(name) or name: size for name, size in reserve.items()}


def _size(pool: Pool, state: State, beyond: Sequence[Beyond]) -> int:
    return sum(item.size_bytes for item in on_pool(beyond, pool.views, state.models))
