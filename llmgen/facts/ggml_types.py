"""ggml's tensor types: their numbers in a file, and the bytes of a row."""

from __future__ import annotations

from math import prod
from typing import Final

from msgspec import Struct


class GgmlType(Struct, frozen=True):
    """One type: ``block`` elements are stored in ``size`` bytes."""

    id: int
    name: str
    block: int
    size: int

    def row_bytes(self, elements: int) -> int:
        """Bytes of a row of ``elements``; ValueError when blocks do not fill it."""
        blocks, rest = divmod(elements, self.block)
        if rest:
            raise ValueError(f"a row of {elements} is no multiple of the {self.name} block")
        return blocks * self.size

    def tensor_bytes(self, shape: tuple[int, ...]) -> int:
        """Data bytes of a tensor, ``ne0`` first; ValueError as for ``row_bytes``."""
        return self.row_bytes(shape[0]) * prod(shape[1:]) if shape else self.row_bytes(1)


# ggml_get_type_traits at b11312; a test compares them with the installed library.
_ALL: Final = (
    GgmlType(0, "f32", 1, 4),
    GgmlType(1, "f16", 1, 2),
    GgmlType(2, "q4_0", 32, 18),
    GgmlType(3, "q4_1", 32, 20),
    GgmlType(6, "q5_0", 32, 22),
    GgmlType(7, "q5_1", 32, 24),
    GgmlType(8, "q8_0", 32, 34),
    GgmlType(9, "q8_1", 32, 36),
    GgmlType(10, "q2_K", 256, 84),
    GgmlType(11, "q3_K", 256, 110),
    GgmlType(12, "q4_K", 256, 144),
    GgmlType(13, "q5_K", 256, 176),
    GgmlType(14, "q6_K", 256, 210),
    GgmlType(15, "q8_K", 256, 292),
    GgmlType(16, "iq2_xxs", 256, 66),
    GgmlType(17, "iq2_xs", 256, 74),
    GgmlType(18, "iq3_xxs", 256, 98),
    GgmlType(19, "iq1_s", 256, 50),
    GgmlType(20, "iq4_nl", 32, 18),
    GgmlType(21, "iq3_s", 256, 110),
    GgmlType(22, "iq2_s", 256, 82),
    GgmlType(23, "iq4_xs", 256, 136),
    GgmlType(24, "i8", 1, 1),
    GgmlType(25, "i16", 1, 2),
    GgmlType(26, "i32", 1, 4),
    GgmlType(27, "i64", 1, 8),
    GgmlType(28, "f64", 1, 8),
    GgmlType(29, "iq1_m", 256, 56),
    GgmlType(30, "bf16", 1, 2),
    GgmlType(34, "tq1_0", 256, 54),
    GgmlType(35, "tq2_0", 256, 66),
    GgmlType(39, "mxfp4", 32, 17),
    GgmlType(40, "nvfp4", 64, 36),
    GgmlType(41, "q1_0", 128, 18),
    GgmlType(42, "q2_0", 64, 18),
)
BY_ID: Final = {item.id: item for item in _ALL}
BY_NAME: Final = {item.name: item for item in _ALL}

# Numbers that ggml.h keeps as comments: formats that llama.cpp can no longer load.
REMOVED: Final = {
    4: "q4_2",
    5: "q4_3",
    31: "q4_0_4_4",
    32: "q4_0_4_8",
    33: "q4_0_8_8",
    36: "iq4_nl_4_4",
    37: "iq4_nl_4_8",
    38: "iq4_nl_8_8",
}
