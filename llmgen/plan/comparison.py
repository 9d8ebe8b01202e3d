"""What was planned for each model beside what its server was seen to hold."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from llmgen.budget.memory import HOST
from llmgen.facts.lock_model import Run
from llmgen.library import Library
from llmgen.plan.plan import Placement, Plan
from llmgen.plan.pools import backend_bytes
from llmgen.plan.start_command import command_digest
from llmgen.units import show_size


class Compared(Struct, frozen=True):
    """One device of one measured model, in bytes.

    ``overhead`` is what the device's backend takes beside those buffers, ``file_cache`` mapped
    weights that the kernel may drop, which a running process counts all the same. ``is_current`` is
    whether the command is still the one that was measured.
    """

    model: str
    device: str
    computed: int
    overhead: int
    file_cache: int
    measured: int | None
    date: str
    program: str
    device_name: str
    is_current: bool

    def line(self) -> str:
        """The same as a sentence."""
        parts = [f"{show_size(self.computed)} computed"]
        if self.overhead:
            parts.append(f"{show_size(self.overhead)} overhead")
        if self.file_cache:
            parts.append(f"{show_size(self.file_cache)} file cache")
        if self.measured is None:
            seen = "not told by the driver"
        else:
            seen = f"{show_size(self.measured)} measured"
        source = ", ".join(item for item in (self.date, self.program, self.device_name) if item)
        old = "" if self.is_current else f"; since changed: run `llmgen measure {self.model}`"
        return f"{self.model} on {self.device}: {' + '.join(parts)}, {seen} ({source}){old}"


def compared(plan: Plan) -> Iterator[Compared]:
    """Every device of every measured model, in the plan's order."""
    for item in plan.placements:
        run = plan.library.runs.get(item.name)
        if run is not None:
            yield from devices(item, run, plan.library)


def devices(item: Placement, run: Run, library: Library) -> Iterator[Compared]:
    """Every device of one measured model."""
    computed = {memory.device: memory.total for memory in item.estimate.memory}
    host = item.estimate.host
    own = backend_bytes(item, library.machine)
    for device in dict.fromkeys((*computed, *run.peak)):
        is_host = device == HOST
        yield Compared(
            model=item.name,
            device=device,
            computed=computed.get(device, 0) + (host.total if is_host else 0),
            overhead=own.get(device, 0),
            file_cache=host.page_cache if is_host else 0,
            measured=run.peak.get(device),
            date=run.date,
            program=run.program,
            device_name=run.devices.get(device, ""),
            is_current=run.settings == command_digest(item, library),
        )
