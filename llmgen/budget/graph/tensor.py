"""A tensor of a graph: what an operation makes, or what it starts from (``ggml_tensor``)."""

from __future__ import annotations

from typing import Final, TypeAlias

from msgspec import Struct

Extents: TypeAlias = tuple[int, int, int, int]

# Flags of a tensor: given by the program, read by it, or a matrix of the model.
INPUT: Final = 1
OUTPUT: Final = 2
WEIGHT: Final = 4
# Behind this one, the state of the arenas is asked for.
MARKED: Final = 8
# No backend yet.
NOWHERE: Final = -1

# (elements of a block, its bytes) of every type that a tensor of a graph may have.
KINDS: Final[dict[str, tuple[int, int]]] = {
    "f32": (1, 4),
    "f16": (1, 2),
    "bf16": (1, 2),
    "i32": (1, 4),
    "i64": (1, 8),
    "q8_0": (32, 34),
    "q5_1": (32, 24),
    "q5_0": (32, 22),
    "q4_1": (32, 20),
    "q4_0": (32, 18),
    "iq4_nl": (32, 18),
    "q2_K": (256, 84),
    "q3_K": (256, 110),
    "q4_K": (256, 144),
    "q5_K": (256, 176),
    "q6_K": (256, 210),
    "mxfp4": (32, 17),
    "nvfp4": (64, 36),
    "q1_0": (128, 18),
    "q2_0": (64, 18),
    "iq1_s": (256, 50),
    "iq1_m": (256, 56),
    "iq2_xxs": (256, 66),
    "iq2_xs": (256, 74),
    "iq2_s": (256, 82),
    "iq3_xxs": (256, 98),
    "iq3_s": (256, 110),
    "iq4_xs": (256, 136),
    "tq1_0": (256, 54),
    "tq2_0": (256, 66),
}


class Tensor(Struct, eq=False):
    """One tensor; ``Builder`` computes what it consists of.

    ``ne`` are its extents, ``nb`` the bytes between neighbours in each of them; ``root`` is the
    tensor that a view is of. ``home`` is the backend in whose buffer it lies before the graph
    starts (weights and caches), or NOWHERE. ``name`` and ``layer`` are what llama.cpp calls it.
    The rest belongs to the scheduler (``backend``) and to the allocator.
    """

    op: str
    kind: str
    ne: Extents
    nb: Extents
    sources: list[Tensor] = []
    root: Tensor | None = None
    flags: int = 0
    home: int = NOWHERE
    bytes: int = 0
    name: str = ""
    layer: int = -1
    seen: bool = False
    backend: int = NOWHERE
    children: int = 0
    views: int = 0
    owned: bool = False
    place: int = 0

    @property
    def said(self) -> str:
        """Its name as llama.cpp prints it; an operation where it has none."""
        if not self.name:
            return f"{self.root.said} ({self.op.lower()})" if self.root else self.op.lower()
        return self.name if self.layer < 0 else f"{self.name}-{self.layer}"


def strides(kind: str, ne: Extents) -> Extents:
    """Bytes between neighbours of a tensor without gaps."""
    block, size = KINDS[kind]
    row = size * (ne[0] // block)
    plane = row * ne[1]
    return (size, row, plane, plane * ne[2])


def nbytes(kind: str, ne: Extents, nb: Extents) -> int:
    """From the first byte to behind the last one (``ggml_nbytes``)."""
    a, b, c, d = ne
    if not (a and b and c and d):
        return 0
    block, size = KINDS[kind]
    first = (a - 1) * nb[0] + size if block == 1 else a * nb[0] // block
    return first + (b - 1) * nb[1] + (c - 1) * nb[2] + (d - 1) * nb[3]


def is_contiguous(tensor: Tensor) -> bool:
    """Whether there is no gap between its elements (extents of one do not count)."""
    expected = strides(tensor.kind, tensor.ne)
    return all(
        n == 1 or have == want for n, have, want in zip(tensor.ne, tensor.nb, expected, strict=True)
    )
