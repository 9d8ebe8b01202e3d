"""Which backend computes which node: the passes 1 to 4 of ``ggml_backend_sched_split_graph``.

Backends are counted as the scheduler does: devices in their order, the host last. Every backend
computes every operation here, and none offloads one whose weights are on the host.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llmgen.budget.graph.builder import Builder
from llmgen.budget.graph.ops import FOLLOWS_NEIGHBOURS, VIEWS
from llmgen.budget.graph.tensor import INPUT, NOWHERE, WEIGHT, Tensor


def assign(graph: Builder, host: int) -> list[Tensor]:
    """Set ``Tensor.backend`` of every node and leaf; return the nodes that are no views."""
    for tensor in (*graph.leafs, *graph.nodes):
        if tensor.backend < 0:
            tensor.backend = _own(tensor, host)
    computed = [node for node in graph.nodes if node.op not in VIEWS]
    _expand(computed, skipped=host)
    _expand(reversed(computed), skipped=host)
    _expand(computed, skipped=NOWHERE)
    _expand(reversed(computed), skipped=NOWHERE)
    for node in computed:
        if node.backend < 0:
            node.backend = _nearest(node, host)
    _assign_sources(graph.nodes)
    return computed


def _own(tensor: Tensor, host: int) -> int:
    """Where its buffer is, or the weight that it reads (pass 1)."""
    holder = tensor.root or tensor
    if holder.home >= 0:
        return holder.home
    if tensor.flags & INPUT:
        return host
    if tensor.op not in FOLLOWS_NEIGHBOURS:
        for source in tensor.sources:
            if source.flags & WEIGHT:
                return source.home
    return NOWHERE


def _expand(nodes: Iterable[Tensor], skipped: int) -> None:
    """Neighbours run where a node does, unless that is the ``skipped`` backend (pass 2)."""
    current = NOWHERE
    for node in nodes:
        if node.backend >= 0:
            current = NOWHERE if node.backend == skipped else node.backend
        elif current >= 0:
            node.backend = current


def _nearest(node: Tensor, host: int) -> int:
    """The backend that has most of its sources, the first of equal ones (pass 3)."""
    best, most = NOWHERE, -1
    for backend in range(host + 1):
        near = sum(holder(source) == backend for source in node.sources)
        if near > most:
            best, most = backend, near
    return best


def _assign_sources(nodes: Sequence[Tensor]) -> None:
    """What has none yet: views run where their tensor is, others where they are read (pass 4)."""
    for node in nodes:
        if node.root is not None and node.backend < 0:
            node.backend = node.root.backend
        for source in node.sources:
            if source.backend < 0:
                source.backend = node.backend if source.root is None else source.root.backend
        node.backend = max(node.backend, 0)


def holder(tensor: Tensor) -> int:
    """In whose buffer a tensor is or will be; NOWHERE before that is known."""
    root = tensor.root
    if root is None:
        return tensor.home if tensor.home >= 0 else tensor.backend
    if root.home >= 0:
        return root.home
    return tensor.backend if tensor.backend >= 0 else root.backend
