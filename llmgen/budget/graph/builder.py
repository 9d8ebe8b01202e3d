"""ggml's operations: each makes a tensor, and none computes anything.

Extents, strides and sources are those of the functions of the same name in ``ggml.c``.
"""

from __future__ import annotations

from llmgen.budget.graph.tensor import (
    INPUT,
    NOWHERE,
    Extents,
    Tensor,
    is_contiguous,
    nbytes,
    strides,
)

_MOST_EXTENTS = 4


class Builder:
    """A graph that grows: ``nodes`` in the order of computing, ``leafs`` that they start from."""

    def __init__(self) -> None:
        """Start without any node."""
        self.nodes: list[Tensor] = []
        self.leafs: list[Tensor] = []

    def expand(self, tensor: Tensor) -> Tensor:
        """Add what a tensor is made of, then itself (``ggml_build_forward_expand``)."""
        if not tensor.seen:
            tensor.seen = True
            for source in tensor.sources:
                if not source.seen:
                    self.expand(source)
            (self.leafs if tensor.op == "NONE" else self.nodes).append(tensor)
        return tensor

    # What a graph starts from.

    def input(self, name: str, kind: str, *ne: int) -> Tensor:
        """What the program writes before the graph is computed."""
        found = self._new("NONE", kind, _four(ne))
        found.flags, found.name = INPUT, name
        return found

    def held(
        self, name: str, kind: str, ne: Extents, *, home: int, flags: int = 0, layer: int = NOWHERE
    ) -> Tensor:
        """A tensor of the model or of the cache, in a buffer of its own."""
        full = strides(kind, ne)
        return Tensor("NONE", kind, ne, full, [], None, flags, home, name=name, layer=layer)

    # Views.

    def view(self, of: Tensor, ne: tuple[int, ...], nb: tuple[int, ...]) -> Tensor:
        """A part of a tensor: extents, and the strides behind the first that are not implied."""
        extents, first = _four(ne), of.nb[0]
        if not nb:
            full = strides(of.kind, extents)
        elif len(nb) == 1:
            plane = nb[0] * extents[1]
            full = (first, nb[0], plane, plane)
        elif len(nb) == 2:
            full = (first, nb[0], nb[1], nb[1] * extents[2])
        else:
            full = (first, nb[0], nb[1], nb[2])
        return self._view("VIEW", of, extents, full)

    def reshape(self, of: Tensor, *ne: int) -> Tensor:
        """The same elements with other extents."""
        extents = _four(ne)
        return self._view("RESHAPE", of, extents, strides(of.kind, extents))

    def permute(self, of: Tensor, *axes: int) -> Tensor:
        """The extent ``i`` becomes the extent ``axes[i]``."""
        ne, nb = [0] * 4, [0] * 4
        for place, axis in enumerate(axes):
            ne[axis], nb[axis] = of.ne[place], of.nb[place]
        return self._view("PERMUTE", of, (ne[0], ne[1], ne[2], ne[3]), (nb[0], nb[1], nb[2], nb[3]))

    def transpose(self, of: Tensor) -> Tensor:
        """The first two extents change places."""
        (a, b, c, d), (e, f, g, h) = of.ne, of.nb
        return self._view("TRANSPOSE", of, (b, a, c, d), (f, e, g, h))

    # Copies.

    def cont(self, of: Tensor, *ne: int) -> Tensor:
        """A copy without gaps, with other extents if any are given."""
        return self._new("CONT", of.kind, _four(ne) if ne else of.ne, of)

    def cast(self, of: Tensor, kind: str) -> Tensor:
        """A copy in another type; ggml makes it one of its own sources."""
        found = self._new("CPY", kind, of.ne, of)
        found.sources.append(found)
        return found

    def copy(self, of: Tensor, to: Tensor) -> Tensor:
        """Write a tensor over another one."""
        return self._over("CPY", to, of, to)

    def dup(self, of: Tensor) -> Tensor:
        """A copy."""
        return self._new("DUP", of.kind, of.ne, of)

    def set_rows(self, to: Tensor, rows: Tensor, places: Tensor) -> Tensor:
        """Write rows into a tensor, which may be a cache."""
        return self._over("SET_ROWS", to, rows, places, to)

    def get_rows(self, of: Tensor, places: Tensor) -> Tensor:
        """Rows of a tensor, as f32."""
        kind = "i32" if of.kind == "i32" else "f32"
        return self._new("GET_ROWS", kind, (of.ne[0], *places.ne[:3]), of, places)

    def concat(self, a: Tensor, b: Tensor, axis: int) -> Tensor:
        """Two tensors behind one another."""
        ne = [n + (b.ne[i] if i == axis else 0) for i, n in enumerate(a.ne)]
        return self._new("CONCAT", a.kind, (ne[0], ne[1], ne[2], ne[3]), a, b)

    def repeat(self, of: Tensor, *ne: int) -> Tensor:
        """A tensor several times over."""
        return self._new("REPEAT", of.kind, _four(ne), of)

    def pad(self, of: Tensor, *more: int) -> Tensor:
        """Zeros behind each extent."""
        wide = (*more, *(0,) * (_MOST_EXTENTS - len(more)))
        ne = [n + extra for n, extra in zip(of.ne, wide, strict=True)]
        return self._new("PAD", of.kind, (ne[0], ne[1], ne[2], ne[3]), of)

    # Products.

    def mul_mat(self, matrix: Tensor, by: Tensor) -> Tensor:
        """A matrix times columns, as f32."""
        ne = (matrix.ne[1], by.ne[1], by.ne[2], by.ne[3])
        return self._new("MUL_MAT", "f32", ne, matrix, by)

    def mul_mat_id(self, matrices: Tensor, by: Tensor, which: Tensor) -> Tensor:
        """For each column the matrices of its experts."""
        ne = (matrices.ne[1], which.ne[0], by.ne[2], 1)
        return self._new("MUL_MAT_ID", "f32", ne, matrices, by, which)

    def flash_attention(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, sinks: Tensor | None = None
    ) -> Tensor:
        """Attention in one operation."""
        ne = (v.ne[0], q.ne[2], q.ne[1], q.ne[3])
        return self._new("FLASH_ATTN_EXT", "f32", ne, q, k, v, mask, sinks)

    # Element by element: the result has the extents of the first source.

    def each(self, op: str, of: Tensor, *others: Tensor | None) -> Tensor:
        """Any operation whose result has type and extents of its first source."""
        return self._new(op, of.kind, of.ne, of, *others)

    def in_place(self, op: str, of: Tensor, *others: Tensor | None) -> Tensor:
        """The same, over its first source."""
        return self._over(op, of, of, *others)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """A sum."""
        return self._new("ADD", a.kind, a.ne, a, b)

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        """A product of elements."""
        return self._new("MUL", a.kind, a.ne, a, b)

    def scale(self, of: Tensor) -> Tensor:
        """A tensor times a number."""
        return self._new("SCALE", of.kind, of.ne, of)

    def unary(self, of: Tensor) -> Tensor:
        """A function of each element."""
        return self._new("UNARY", of.kind, of.ne, of)

    def rope(self, of: Tensor, positions: Tensor, factors: Tensor | None = None) -> Tensor:
        """Rotated by position."""
        return self._new("ROPE", of.kind, of.ne, of, positions, factors)

    def softmax(
        self, of: Tensor, mask: Tensor | None = None, sinks: Tensor | None = None
    ) -> Tensor:
        """Probabilities of each row."""
        return self._new("SOFT_MAX", of.kind, of.ne, of, mask, sinks)

    def glu(self, gate: Tensor, up: Tensor | None = None) -> Tensor:
        """A gate times what it lets through; one tensor may have both halves."""
        ne = gate.ne if up else (gate.ne[0] // 2, *gate.ne[1:])
        return self._new("GLU", gate.kind, ne, gate, up)

    # Over rows.

    def sum_rows(self, of: Tensor) -> Tensor:
        """One number for each row."""
        return self._new("SUM_ROWS", of.kind, (1, *of.ne[1:]), of)

    def argsort(self, of: Tensor) -> Tensor:
        """The order of each row."""
        return self._new("ARGSORT", "i32", of.ne, of)

    def argsort_top_k(self, of: Tensor, count: int) -> Tensor:
        """The first places of that order: a view of all of them."""
        order = self.argsort(of)
        return self.view(order, (count, *order.ne[1:]), order.nb[1:])

    def made(self, op: str, kind: str, ne: tuple[int, ...], *sources: Tensor | None) -> Tensor:
        """Any operation, with extents of its own."""
        return self._new(op, kind, _four(ne), *sources)

    def filled(self, kind: str, *ne: int) -> Tensor:
        """Equal elements."""
        return self.each("FILL", self.made("NONE", kind, ne))

    # How tensors are made.

    def _new(self, op: str, kind: str, ne: Extents, *sources: Tensor | None) -> Tensor:
        read = [source for source in sources if source is not None]
        nb = strides(kind, ne)
        return Tensor(op, kind, ne, nb, read, bytes=nb[3] * ne[3])

    def _view(self, op: str, of: Tensor, ne: Extents, nb: Extents) -> Tensor:
        return Tensor(op, of.kind, ne, nb, [of], of.root or of)

    def _over(self, op: str, target: Tensor, *sources: Tensor | None) -> Tensor:
        read = [source for source in sources if source is not None]
        return Tensor(op, target.kind, target.ne, target.nb, read, target.root or target)


def size(tensor: Tensor) -> int:
    """Bytes of a tensor, also of a view."""
    return nbytes(tensor.kind, tensor.ne, tensor.nb)


def dense(builder: Builder, of: Tensor) -> Tensor:
    """The tensor itself, or a copy if it has gaps."""
    return of if is_contiguous(of) else builder.cont(of)


def _four(ne: tuple[int, ...]) -> Extents:
    wide = (*ne, 1, 1, 1)
    return (wide[0], wide[1], wide[2], wide[3])
