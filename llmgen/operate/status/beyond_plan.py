"""What models hold beyond what the plan gives them: measured by `measure`, or running now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from llmgen.budget.memory import HOST
from llmgen.engines.memory import Basis
from llmgen.operate.status.observations import Observed
from llmgen.operate.status.rows import models, planned_on
from llmgen.plan.basis import basis_of
from llmgen.plan.comparison import devices
from llmgen.plan.plan import Placement, Plan
from llmgen.units import show_size


class Beyond(Struct, frozen=True):
    """One model on one device (``host``, ``gpu0`` …): bytes too many of all its servers.

    ``measured_bytes`` is what one server held there, ``when`` says for people when that was;
    ``is_declared`` whether llm.toml says what was planned.
    """

    model: str
    device: str
    size_bytes: int
    measured_bytes: int
    when: str
    is_declared: bool = False

    @property
    def sentence(self) -> str:
        """The same for people."""
        more, seen = show_size(self.size_bytes), show_size(self.measured_bytes)
        return f"`{self.model}` holds {more} more than planned ({seen}, {self.when})"


def beyond_plan(plan: Plan, seen: Observed) -> tuple[Beyond, ...]:
    """The largest excess of each model on each device; nothing where it keeps to its plan."""
    found: dict[tuple[str, str], Beyond] = {}
    for item in (*_measured(plan), *_running(plan, seen)):
        key = item.model, item.device
        if item.size_bytes > 0 and (key not in found or item.size_bytes > found[key].size_bytes):
            found[key] = item
    return tuple(found.values())


def on_pool(found: Iterable[Beyond], views: Iterable[str], names: Iterable[str]) -> list[Beyond]:
    """Those of these models on a pool's devices."""
    keys, wanted = {*views}, {*names}
    return [item for item in found if item.device in keys and item.model in wanted]


def _measured(plan: Plan) -> Iterator[Beyond]:
    """llm.lock's runs of `llmgen measure`, where the command is still the one that was measured."""
    for item in plan.placements:
        run = plan.library.runs.get(item.name)
        for row in devices(item, run, plan.library) if run else ():
            if row.measured is not None and row.is_current:
                # Mapped weights are the kernel's to drop, and a process counts them.
                held = row.measured - row.file_cache
                yield _beyond(plan, item, row.device, held, f"measured on {row.date}")


def _running(plan: Plan, seen: Observed) -> Iterator[Beyond]:
    """Servers as they are now; of several devices no driver tells each one's share."""
    keys = [device.key for device in plan.library.machine.devices]
    for row in models(plan, seen):
        item = plan.placement(row.name)
        if row.command_is_wanted is not False:
            yield _beyond(plan, item, HOST, row.memory, "now")
            if row.device_memory is not None and len(keys) == 1:
                yield _beyond(plan, item, keys[0], row.device_memory, "now")


def _beyond(plan: Plan, item: Placement, device: str, held: int, when: str) -> Beyond:
    planned = planned_on(plan, item, device)
    if not plan.library.config.budget.margin:
        planned -= item.estimate.margin.get(device, 0)
    declared = basis_of(item.estimate, device) is Basis.DECLARED
    more = (held - planned) * (1 + item.model.copies)
    return Beyond(item.name, device, more, held, when, declared)
