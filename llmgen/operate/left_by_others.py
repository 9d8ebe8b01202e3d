"""What other programs leave of each memory pool, measured, beside what the plan counts on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psutil
from msgspec import Struct

from llmgen.budget.model import HOST
from llmgen.detect.devices import Gpu
from llmgen.operate.observed import Observed
from llmgen.plan.model import Headroom, Plan
from llmgen.units import MIB, show_size


class Left(Struct, frozen=True):
    """One pool: what there is of it, what others hold, and what the plan's worst state needs.

    ``reserve_bytes`` is what llm.toml keeps for others, ``device`` the pool's name in [budget].
    """

    device: str
    total_bytes: int
    others_bytes: int
    peak_bytes: int
    capacity_bytes: int
    reserve_bytes: int

    @property
    def missing_bytes(self) -> int:
        """What the worst state would lack; negative where it has room."""
        return self.peak_bytes + self.others_bytes - self.total_bytes

    @property
    def more_bytes(self) -> int:
        """What [budget] has to reserve beyond [hardware], in whole MiB, for the plan to be true."""
        lost = self.capacity_bytes - self.total_bytes + self.others_bytes - self.reserve_bytes
        return -(-lost // MIB) * MIB

    @property
    def expected(self) -> str:
        """What the plan counts on."""
        return f"{show_size(self.peak_bytes)} of {self.device} for models, beside other programs"

    @property
    def observed(self) -> str:
        """What there is."""
        left = show_size(max(0, self.total_bytes - self.others_bytes))
        return f"{left} left by others, who hold {show_size(self.others_bytes)}"


def left_by_others(plan: Plan, seen: Observed) -> Iterator[Left]:
    """The host's pool, and a single device's, where what others hold can be told apart."""
    host = psutil.virtual_memory()
    own = sum(item.memory_bytes for item in seen.processes.values())
    used = host.total - host.available
    for room in plan.headroom:
        if room.pool.views[:1] == (HOST,) or HOST in room.pool.views:
            yield _left(plan, room, HOST, (host.total, max(0, used - own)))
        elif len(plan.library.machine.devices) == 1 == len(seen.devices):
            found = _of_device(seen.devices, seen)
            if found is not None:
                yield _left(plan, room, room.pool.views[0], found)


def _of_device(devices: Sequence[Gpu], seen: Observed) -> tuple[int, int] | None:
    (gpu,) = devices
    if gpu.total is None or gpu.used is None:
        return None
    return gpu.total, max(0, gpu.used - sum(seen.device_memory.values()))


def _left(plan: Plan, room: Headroom, device: str, found: tuple[int, int]) -> Left:
    total, others = found
    more = plan.library.config.budget.reserve.get(device, 0)
    return Left(
        device=device,
        total_bytes=total,
        others_bytes=others,
        peak_bytes=room.peak_bytes,
        capacity_bytes=room.pool.capacity_bytes,
        reserve_bytes=room.pool.reserve_bytes - more,
    )
