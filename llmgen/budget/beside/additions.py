"""What is added on each device: by files beside the model, or by backends behind results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from llmgen.budget.memory import DeviceMemory


class Addition(NamedTuple):
    """Bytes on one device: tensors, and what a compute buffer has more."""

    what: str
    device: str
    weights: int
    compute: int


def with_additions(
    added: Sequence[Addition], memory: tuple[DeviceMemory, ...]
) -> tuple[DeviceMemory, ...]:
    """The memory of a server that has these, too."""
    if not added:
        return memory
    weights, compute = Counter[str](), Counter[str]()
    for item in added:
        weights[item.device] += item.weights
        compute[item.device] += item.compute
    return tuple(
        replace(
            item,
            model=item.model + weights[item.device],
            compute=item.compute + compute[item.device],
        )
        for item in memory
    )


def addition_parts(added: Sequence[Addition]) -> Iterator[tuple[str, str, int]]:
    """The summands, in words."""
    for item in added:
        for kind, size in (("weights", item.weights), ("compute", item.compute)):
            if size:
                yield item.device, f"{kind}: {item.what}", size
