"""Lists each published model's tensors with llama.cpp's own loader, for ``headers``.

``python -m oracle.tensor_lists`` (from ``tests/``) gives the loader of b11434 a file that has only
metadata and writes down what it creates, less the optional tensors that the model does not have.
"""

from __future__ import annotations

import json
import re
import tempfile
from math import prod
from pathlib import Path

from gguf_writer import gguf

from oracle import grid
from oracle.build import builds
from oracle.headers import DATA, metadata
from oracle.runner import Oracle
from oracle.shapes import ALL_SHAPES, Shape

Listed = list[tuple[str, tuple[int, ...]]]

# Biases and projections that no model of the list has, though loaders accept them.
NEVER = (
    r"^blk\.\d+\.attn_(q|k|v|output)\.bias$",
    r"^blk\.\d+\.ffn_(gate|up|down)\.bias$",
    r"^output\.bias$",
    r"^dense_[23]\.",
    r"\.(scale|input_scale)$",
)
BIASED = {
    "qwen2": (r"\.attn_(q|k|v)\.bias$",),
    "gpt-oss": (r"\.attn_(q|k|v|output)\.bias$",),
    "seed_oss": (r"\.attn_(q|k|v)\.bias$",),
    "glm4moe": (r"\.attn_(q|k|v)\.bias$",),
    "bert": (r"\.bias$",),
    "jina-bert-v2": (r"\.attn_(q|k|v|output)\.bias$", r"\.ffn_down\.bias$"),
}


def listed(shape: Shape) -> Listed:
    """The tensors of a published model."""
    with tempfile.TemporaryDirectory() as folder, Oracle(builds()[grid.WHOLE]) as oracle:
        path = Path(folder, "metadata.gguf")
        path.write_bytes(gguf(metadata(shape)))
        found = oracle.tensors(path)["tensors"]
    kept = {name: trimmed(extents) for name, *extents in found if wanted(shape, name)}
    return _fused(list(kept.items())) if shape.fused_qkv else list(kept.items())


def _fused(found: Listed) -> Listed:
    """One attn_qkv in the place of attn_q, attn_k and attn_v."""
    out: Listed = []
    for name, extents in found:
        part = re.match(r"(blk\.\d+\.attn_)([qkv])\.weight$", name)
        if part is None:
            out.append((name, extents))
        elif part[2] == "q":
            rows = sum(dict(found)[f"{part[1]}{letter}.weight"][1] for letter in "qkv")
            out.append((f"{part[1]}qkv.weight", (extents[0], rows)))
    return out


def grouped(listed: list[tuple[str, tuple[int, ...]]]) -> list[list[object]]:
    """Tensors of one name pattern and shape in one line, their layers as half-open ranges."""
    groups: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for name, extents in listed:
        match = re.match(r"blk\.(\d+)\.(.*)", name)
        key = (f"blk.#.{match[2]}" if match else name, extents)
        groups.setdefault(key, []).extend([int(match[1])] if match else [])
    return [[name, list(extents), _ranges(layers)] for (name, extents), layers in groups.items()]


def _ranges(layers: list[int]) -> list[list[int]]:
    out: list[list[int]] = []
    for layer in sorted(layers):
        if out and out[-1][1] == layer:
            out[-1][1] += 1
        else:
            out.append([layer, layer + 1])
    return out


def wanted(shape: Shape, name: str) -> bool:
    """Whether the published model has this optional tensor of its architecture."""
    if shape.tied and name == "output.weight":
        return False
    if any(word in name for word in shape.without):
        return False
    if any(re.search(pattern, name) for pattern in BIASED.get(shape.architecture, ())):
        return True
    return not any(re.search(pattern, name) for pattern in NEVER)


def trimmed(extents: list[int]) -> tuple[int, ...]:
    """Without the trailing ones that ggml adds."""
    count = max(i for i, extent in enumerate(extents) if extent != 1 or i == 0) + 1
    assert prod(extents[count:]) == 1
    return tuple(extents[:count])


def main() -> None:
    """Write ``data/tensors.json``, one group of tensors a line."""
    models = {name: grouped(listed(shape)) for name, shape in sorted(ALL_SHAPES.items())}
    blocks = []
    for name, groups in models.items():
        lines = ",\n".join("  " + json.dumps(group, separators=(",", ":")) for group in groups)
        blocks.append(f" {json.dumps(name)}: [\n{lines}\n ]")
    (DATA / "tensors.json").write_text("{\n" + ",\n".join(blocks) + "\n}\n")


if __name__ == "__main__":
    main()
