"""Splits of a graph, and copies of what they read from other backends (passes 5 and 6).

With several devices that share all layers, each input of a split has four copies, so that the next
micro-batches can start (``GGML_SCHED_MAX_COPIES``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from llmgen.budget.graph.builder import Builder
from llmgen.budget.graph.ops import VIEWS
from llmgen.budget.graph.tensor import INPUT, OUTPUT, WEIGHT, Tensor
from llmgen.budget.schedule.assign import assign, holder

COPIES: Final = 4
# How many inputs a split had at most, before its list grew.
MOST_INPUTS: Final = 30


class Split(Struct):
    """Nodes that one backend computes in a row, and what it has to be sent for them."""

    backend: int
    start: int
    end: int = 0
    inputs: list[Tensor] = []


class Schedule(Struct):
    """What the allocator gets: leafs and nodes, copies among them, each with its backend."""

    leafs: list[Tensor]
    nodes: list[Tensor]


def schedule(graph: Builder, host: int, *, copies: int = 1, most: int = 0) -> Schedule:
    """Assign, split and copy; ``copies`` is 4 with pipeline parallelism.

    ``most`` is how many inputs a split may have (``GGML_SCHED_MAX_SPLIT_INPUTS``), 0 any number.
    """
    if not host:
        for tensor in (*graph.leafs, *graph.nodes):
            tensor.backend = 0
        return Schedule(graph.leafs, graph.nodes)
    assign(graph, host)
    made: dict[tuple[int, int], list[Tensor]] = {}
    splits = _split(graph.nodes, copies, made, most)
    nodes: list[Tensor] = []
    for split in splits:
        for source in split.inputs:
            nodes.append(_kept(source))
            nodes.append(made[id(source), split.backend][0])
        nodes += graph.nodes[split.start : split.end]
    leafs = list(_copied_leafs(graph, splits, made)) if copies > 1 else []
    return Schedule([*leafs, *graph.leafs], nodes)


def _split(
    nodes: Sequence[Tensor], copies: int, made: dict[tuple[int, int], list[Tensor]], most: int
) -> list[Split]:
    first = next((node.backend for node in nodes if node.op not in VIEWS), 0)
    splits = [split := Split(first, 0)]
    for index, node in enumerate(nodes):
        if node.op in VIEWS:
            continue
        current = split.backend
        inputs = len(split.inputs)
        if (
            node.backend != current
            or (inputs and _reads_far_weight(node, current))
            or (inputs == most > 0 and any(_copied(node, current, made)))
        ):
            split.end = index
            current = node.backend
            splits.append(split := Split(current, index))
        for place, source in enumerate(node.sources):
            if source.backend == current or holder(source) == current:
                continue
            key = (id(source), current)
            if key not in made:
                made[key] = [_copy(source, current, copies) for _ in range(copies)]
                split.inputs.append(source)
            node.sources[place] = made[key][0]
    split.end = len(nodes)
    return splits


def _reads_far_weight(node: Tensor, backend: int) -> bool:
    """A new split frees the weights that were copied for the one before."""
    for source in node.sources:  # noqa: SIM110 - any() of so few takes twice as long
        if source.flags & WEIGHT and source.home != backend:
            return True
    return False


def _copied(
    node: Tensor, backend: int, made: dict[tuple[int, int], list[Tensor]]
) -> Iterator[bool]:
    """Whether each source would have to be copied first."""
    for source in node.sources:
        far = source.backend != backend and holder(source) != backend
        yield far and (id(source), backend) not in made


def _copy(source: Tensor, backend: int, copies: int) -> Tensor:
    return Tensor(
        *("NONE", source.kind, source.ne, source.nb),
        flags=INPUT | OUTPUT if copies > 1 else 0,
        name=source.name or source.said,
        layer=source.layer,
        backend=backend,
    )


def _kept(source: Tensor) -> Tensor:
    """A view for nothing but to keep a source until it is copied."""
    root, backend = source.root or source, source.backend
    return Tensor("NONE", source.kind, source.ne, source.nb, [source], root, backend=backend)


def _copied_leafs(
    graph: Builder, splits: Sequence[Split], made: dict[tuple[int, int], list[Tensor]]
) -> Iterator[Tensor]:
    """Inputs of the graph, the program's own first, then those of the splits."""
    for leaf in graph.leafs:
        if not leaf.flags & INPUT:
            continue
        leaf.flags |= OUTPUT
        yield leaf
        for _ in range(COPIES - 1):
            yield _copy(leaf, leaf.backend, COPIES)
    for split in splits:
        for source in split.inputs:
            yield from made[id(source), split.backend]
