"""What backends compute beside the graph's own tensors: operations for which some take memory.

They are noted of a graph with caches of any size, and told their extents later, as its sizes are
(``llmgen/budget/schedule/tape.py``).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import Final

from msgspec import Struct

from llmgen.budget.graph.tensor import WEIGHT, Extents, Tensor
from llmgen.budget.graph.weights import Matrices
from llmgen.budget.schedule.tape import FULL, sized

_NOTED: Final = frozenset(
    {"ARGSORT", "CUMSUM", "FLASH_ATTN_EXT", "MUL_MAT", "MUL_MAT_ID", "SSM_SCAN", "TOP_K"}
)
# build_attn_mha asks for products of K and Q in f32 (ggml_mul_mat_set_prec).
_PRECISE: Final = "kq"
# No extent is as large, unless it grows with the cells of a cache.
_ANY: Final = FULL // 4


class Operand(Struct, frozen=True):
    """A tensor that is read; ``weight_bytes`` is 0 for those that are no weights."""

    kind: str
    ne: Extents
    weight_bytes: int = 0

    @property
    def elements(self) -> int:
        """How many there are."""
        a, b, c, d = self.ne
        return a * b * c * d


class Operation(Struct, frozen=True):
    """One operation on one backend: what it reads, and the extents of its result.

    ``shared`` says of attention that V is a part of K, ``precise`` of a product that it is asked
    for in f32.
    """

    op: str
    backend: int
    sources: tuple[Operand, ...]
    ne: Extents
    shared: bool = False
    precise: bool = False

    @property
    def elements(self) -> int:
        """Of the result."""
        a, b, c, d = self.ne
        return a * b * c * d

    @property
    def grows(self) -> bool:
        """Whether an extent is a function of the cells."""
        return max(self.ne) > _ANY or any(max(source.ne) > _ANY for source in self.sources)

    @property
    def batch(self) -> int:
        """How many columns a product has (``get_op_batch_size``)."""
        return self.ne[2] if self.op == "MUL_MAT_ID" else self.ne[1]

    def of(self, cells: int, window_cells: int) -> Operation:
        """The same with so many cells."""
        if not self.grows:
            return self

        def told(ne: Extents) -> Extents:
            if max(ne) < _ANY:
                return ne
            a, b, c, d = (sized(size).of(cells, window_cells) for size in ne)
            return (a, b, c, d)

        sources = tuple(Operand(it.kind, told(it.ne), it.weight_bytes) for it in self.sources)
        return Operation(self.op, self.backend, sources, told(self.ne), self.shared, self.precise)


def operations(nodes: Iterable[Tensor], matrices: Matrices) -> frozenset[Operation]:
    """Those of a scheduled graph, with weights of every type that their name has in any layer.

    Layers that differ in nothing else are left out of graphs.
    """
    alike = {_key(node): node for node in nodes if node.op in _NOTED}
    return frozenset(item for node in alike.values() for item in _noted(node, matrices))


def _key(node: Tensor) -> Hashable:
    """What decides an operation: nodes of equal layers have the same."""
    first = node.sources[0]
    weight = first.name.split(".", 2)[-1] if first.flags & WEIGHT else ""
    read = tuple((source.kind, source.ne) for source in node.sources)
    return node.op, node.backend, node.ne, _is_precise(node), _is_shared(node), weight, read


def _is_precise(node: Tensor) -> bool:
    return node.op == "MUL_MAT" and node.name == _PRECISE


def _is_shared(node: Tensor) -> bool:
    roots = [source.root for source in node.sources[1:3]]
    return len(roots) > 1 and roots[0] is not None and roots[0] is roots[1]


def _noted(node: Tensor, matrices: Matrices) -> Iterator[Operation]:
    shared, precise = _is_shared(node), _is_precise(node)
    first, *others = node.sources
    rest = tuple(Operand(source.kind, source.ne) for source in others)
    kinds = matrices.kinds_of(first) if first.flags & WEIGHT else {(first.kind, 0)}
    for kind, weight in kinds:
        operand = Operand(kind, first.ne, weight)
        yield Operation(node.op, node.backend, (operand, *rest), node.ne, shared, precise)
