"""Header-only files of drawn shapes: the tensors that a loader makes, less optional ones at random."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from gguf_writer import Tensor, gguf, write_gguf

from oracle.draws import draw_shape
from oracle.headers import metadata, tensor_type
from oracle.runner import Oracle
from oracle.shapes import Shape
from oracle.tensor_lists import Listed, trimmed

# Tensors that a loader makes but that files have, or have not, together.
OPTIONAL = (
    r"\.attn_(q|k|v|qkv)\.bias$",
    r"\.attn_output\.bias$",
    r"\.ffn_(gate|up|down)\.bias$",
    r"\.ffn_(gate|up|down)_exps\.bias$",
    r"^output\.bias$",
    r"\.attn_(q|k)_norm\.",
    r"rope_(freqs|factors_\w+)\.",
    r"\.attn_sinks\.",
    r"\.exp_probs_b\.",
    r"norm(_\d)?\.bias$",
    r"_shexp\.",
    r"\.ffn_gate\.weight$",
)
# Of quantizations that no file of the draw has, and of heads that few models have.
NEVER = r"\.(scale|input_scale)$|^dense_[23]\.|^cls\.|^classifier"
ATTEMPTS = 25
NUMBERS = count()


class NotLoadable(Exception):
    """No draw of this architecture could be loaded."""


def draw_file(
    source: random.Random,
    oracle: Oracle,
    architecture: str,
    folder: Path,
    suits: Callable[[Shape], bool] = lambda shape: True,
) -> tuple[Shape, list[Tensor]]:
    """A random shape that ``suits`` and that the build can load, and its tensors."""
    reason = ""
    for _ in range(ATTEMPTS):
        shape = draw_shape(source, architecture)
        while not suits(shape):
            shape = draw_shape(source, architecture)
        path = new_path(folder)
        path.write_bytes(gguf(metadata(shape)))
        answer = oracle.tensors(path)
        if "refused" in answer:
            reason = str(answer["refused"])
            continue
        found = {name: trimmed(extents) for name, *extents in answer["tensors"]}  # type: ignore[attr-defined]
        listed = [(name, extents) for name, extents in found.items() if not re.search(NEVER, name)]
        for kept in choices(source, listed):
            tensors = typed(as_drafted(kept, shape), shape)
            path = new_path(folder)
            write_gguf(path, metadata(shape), tensors)
            reason = oracle.refusal(path)
            if not reason:
                return shape, tensors
    raise NotLoadable(f"{architecture}: {reason[-300:]}")


def new_path(folder: Path) -> Path:
    """A name that no file had: ``breakdown`` keeps the model of a name. Earlier files go."""
    for old in folder.glob("*.gguf"):
        old.unlink()
    return folder / f"{next(NUMBERS)}.gguf"


def choices(source: random.Random, listed: Listed) -> Iterator[Listed]:
    """The list without some of its optional tensors, then with ever more of them.

    Whether the output is the embedding is tried both ways: the loader lists one for files that have none.
    """
    dropped = [pattern for pattern in OPTIONAL if source.random() < 0.6]
    source.shuffle(dropped)
    fused, tied = source.random() < 0.3, source.random() < 0.4
    while True:
        kept = [item for item in listed if not any(re.search(p, item[0]) for p in dropped)]
        for alone in (tied, not tied):
            whole = [item for item in kept if not alone or item[0] != "output.weight"]
            if fused:
                yield fused_attention(whole)
            yield whole
        if not dropped:
            return
        dropped.pop()


def fused_attention(found: Listed) -> Listed:
    """One attn_qkv in the place of attn_q, attn_k and attn_v, biases too."""
    by_name, out = dict(found), []
    for name, extents in found:
        part = re.match(r"(blk\.\d+\.attn_)([qkv])(\.weight|\.bias)$", name)
        names = [f"{part[1]}{letter}{part[3]}" for letter in "qkv"] if part else []
        if part is None or not all(each in by_name for each in names):
            out.append((name, extents))
        elif part[2] == "q":
            rows = sum(by_name[each][-1] for each in names)
            out.append((f"{part[1]}qkv{part[3]}", (*extents[:-1], rows)))
    return out


def as_drafted(listed: Listed, shape: Shape) -> Listed:
    """The list as a graph of the nextn block asks for it.

    MiMo-V2's is dense and has one attn_qkv; of DeepSeek-V4's the loader lists nothing where a file has none.
    """
    count = shape.values.get("nextn_predict_layers")
    if not count:
        return listed
    if shape.architecture == "deepseek4":
        width, il = (
            int(str(shape.values["embedding_length"])),
            int(str(shape.values["block_count"])) - 1,
        )
        own = {
            "eh_proj": (2 * width, width),
            "enorm": (width,),
            "hnorm": (width,),
            "shared_head_norm": (width,),
        }
        return listed + [
            (f"blk.{il}.nextn.{name}.weight", extents) for name, extents in own.items()
        ]
    if shape.architecture != "mimo2":
        return listed
    first = int(str(shape.values["block_count"])) - int(str(count))
    inside = [item for item in listed if _layer(item[0]) >= first]
    dense = dict(
        item for item in inside if not re.search(r"_exps\.|ffn_gate_inp|exp_probs_b", item[0])
    )
    for name, extents in tuple(dense.items()):
        if name.endswith("ffn_up.weight"):
            dense[name.replace("ffn_up", "ffn_gate")] = extents
    return [item for item in listed if _layer(item[0]) < first] + fused_attention([*dense.items()])


def _layer(name: str) -> int:
    found = re.match(r"blk\.(\d+)\.", name)
    return int(found[1]) if found else -1


def typed(listed: Listed, shape: Shape) -> list[Tensor]:
    """Each tensor in the type that the shape's mix gives it."""
    layers = int(str(shape.values["block_count"]))
    return [Tensor(name, extents, tensor_type(name, extents, shape.recipe, layers)) for name, extents in listed]  # fmt: skip
