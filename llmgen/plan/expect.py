"""How fast answers can be at most: bytes read for each token over the memory's bandwidth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from llmgen.budget.memory import HOST
from llmgen.budget.reading import reading
from llmgen.machine import Machine
from llmgen.plan.plan import Plan


class ExpectedSpeed(Struct, frozen=True):
    """One model that generates; 0: a bandwidth is not known.

    ``read_bytes`` are read for a token of an empty context, ``full_bytes`` of a full one.
    """

    model: str
    read_bytes: int
    full_bytes: int
    empty_per_second: float
    full_per_second: float
    unknown: tuple[str, ...] = ()


def expected(plan: Plan) -> Iterator[ExpectedSpeed]:
    """Every model of the plan that generates and whose memory is computed.

    Devices work one after the other on a token, so their times add up.
    """
    machine = plan.library.machine
    bandwidths = bandwidth(machine)
    for item in plan.placements:
        if not item.model.is_llama or item.settings.embedding:
            continue
        found = reading(item.model.facts, item.settings, plan.library.build)
        full = {name: size + found.cache.get(name, 0) for name, size in found.weights.items()}
        missing = [name for name, size in full.items() if size and not bandwidths.get(name)]
        yield ExpectedSpeed(
            item.name,
            sum(found.weights.values()),
            sum(full.values()),
            0.0 if missing else _per_second(found.weights, bandwidths),
            0.0 if missing else _per_second(full, bandwidths),
            tuple(missing),
        )


def bandwidth(machine: Machine) -> dict[str, int]:
    """Bytes per second by device; of unified memory all have the host's."""
    shared = machine.memory_bandwidth_bytes if machine.unified else 0
    return {HOST: machine.memory_bandwidth_bytes} | {
        device.key: device.bandwidth_bytes or shared for device in machine.devices
    }


def _per_second(read: Mapping[str, int], bandwidths: Mapping[str, int]) -> float:
    seconds = sum(size / bandwidths[name] for name, size in read.items() if size)
    return 1 / seconds if seconds else 0.0
