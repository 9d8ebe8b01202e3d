"""Where the fields of libllama's two parameter structs lie, build by build.

Offsets and widths on x86-64, read from each build's own header. A field that a build does not
have is left out, and so is a setting that only that field could carry.
"""

from __future__ import annotations

from bisect import bisect_right

I32, PTR, BOOL = 4, 8, 1

# First build of each layout: (name, offset) runs of one width each.
MODEL: dict[int, dict[str, tuple[int, int]]] = {
    9445: {
        "devices": (0, PTR), "tensor_buft_overrides": (8, PTR), "n_gpu_layers": (16, I32), "split_mode": (20, I32),
        "tensor_split": (32, PTR), "use_mmap": (65, BOOL), "use_extra_bufts": (69, BOOL), "no_alloc": (71, BOOL),
    },
    10105: {
        "devices": (0, PTR), "tensor_buft_overrides": (8, PTR), "n_gpu_layers": (16, I32), "split_mode": (20, I32),
        "load_mode": (24, I32), "tensor_split": (32, PTR), "use_extra_bufts": (66, BOOL), "no_alloc": (68, BOOL),
    },
    10236: {
        "devices": (0, PTR), "tensor_buft_overrides": (8, PTR), "n_gpu_layers": (16, I32), "split_mode": (20, I32),
        "load_mode": (24, I32), "tensor_split": (32, PTR), "use_extra_bufts": (66, BOOL), "no_alloc": (68, BOOL),
        "load_mtp": (69, BOOL),
    },
    10715: {
        "devices": (0, PTR), "tensor_buft_overrides": (8, PTR), "n_gpu_layers": (16, I32), "split_mode": (20, I32),
        "load_mode": (24, I32), "tensor_split": (40, PTR), "use_extra_bufts": (74, BOOL), "no_alloc": (76, BOOL),
        "load_mtp": (77, BOOL),
    },
}  # fmt: skip
_FLAGS = ("embeddings", "offload_kqv", "no_perf", "op_offload", "swa_full", "kv_unified")
_COUNTS = ("n_ctx", "n_batch", "n_ubatch", "n_seq_max", "n_rs_seq")


def _context(
    outputs: tuple[str, ...], ctx_type: int, type_k: int, flags: int
) -> dict[str, tuple[int, int]]:
    counts = {name: (4 * i, I32) for i, name in enumerate((*_COUNTS, *outputs))}
    modes = {"ctx_type": ctx_type, "pooling_type": ctx_type + 8, "flash_attn_type": ctx_type + 16}
    types = {"type_k": type_k, "type_v": type_k + 4}
    words = {name: (at, I32) for name, at in (modes | types).items()}
    return counts | words | {name: (flags + i, BOOL) for i, name in enumerate(_FLAGS)}


CONTEXT: dict[int, dict[str, tuple[int, int]]] = {
    9445: _context((), 28, 96, 120),
    9464: _context(("n_outputs_max",), 32, 104, 128),
    10603: _context(("n_outputs_max", "n_outputs_max_per_seq"), 36, 104, 128),
    11548: _context(("n_outputs_max", "n_outputs_max_per_seq"), 36, 104, 136),
}


def layout(table: dict[int, dict[str, tuple[int, int]]], build: int) -> dict[str, tuple[int, int]]:
    """The fields of the newest layout that ``build`` has."""
    firsts = sorted(table)
    return table[firsts[max(0, bisect_right(firsts, build) - 1)]]


def packed(fields: dict[str, tuple[int, int]], values: dict[str, int]) -> str:
    """Values as ``breakdown`` takes them: ``offset:width:value,…``."""
    return ",".join(
        f"{fields[name][0]}:{fields[name][1]}:{value}"
        for name, value in values.items()
        if name in fields
    )
