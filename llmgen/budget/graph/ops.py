"""Which operations make a view, and which may write over what they read (``ggml-alloc.c``)."""

from __future__ import annotations

from typing import Final

# They compute nothing (ggml_is_view_op in ggml-backend.cpp): no backend, no split of their own.
VIEWS: Final = frozenset({"VIEW", "RESHAPE", "PERMUTE", "TRANSPOSE"})

# ggml_op_can_inplace: their result may take the place of a source of the same layout.
IN_PLACE: Final = frozenset(
    {
        "ADD",
        "ADD1",
        "ADD_ID",
        "CLAMP",
        "DIAG_MASK_INF",
        "DIAG_MASK_ZERO",
        "DIV",
        "FILL",
        "LOG",
        "MUL",
        "RMS_NORM",
        "ROPE",
        "ROPE_BACK",
        "SCALE",
        "SOFT_MAX",
        "SQR",
        "SQRT",
        "SUB",
        "UNARY",
    }
)

# With a weight among their sources they still run where their neighbours do: it is too small.
FOLLOWS_NEIGHBOURS: Final = frozenset({"ROPE", "FLASH_ATTN_EXT"})
