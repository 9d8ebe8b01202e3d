"""Header-only GGUF files with the true shapes of published models.

``write_header(path, name)`` writes one: its metadata (no vocabulary), its tensor list with
plausible quantization, and no data; the file has its full size and is sparse. The tensors of each
shape were listed by llama.cpp's own loader (``data/tensors.json``, made by ``tensor_lists``).
"""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gguf_writer import GGML_TYPES, Tensor, Typed, gguf, write_gguf

from oracle.shapes import ALL_SHAPES, Shape

DATA = Path(__file__).parent / "data"
FLOAT_KEYS = {
    "attention.layer_norm_rms_epsilon": 1e-6,
    "attention.layer_norm_epsilon": 1e-5,
    "rope.freq_base": 1e6,
}
# Values that a loader asks for and that move no memory.
ARCHITECTURE_KEYS: dict[str, dict[str, object]] = {
    "bert": {"rope.freq_base": None},
    "deepseek2-ocr": {"rope.freq_base": 1e4},
    "granite": {"logit_scale": 16.0, "residual_scale": 0.22, "embedding_scale": 12.0},
    "granitehybrid": {"logit_scale": 16.0, "residual_scale": 0.22, "embedding_scale": 12.0},
    "cohere2": {"logit_scale": 0.25},
    "deepseek2": {"expert_gating_func": 2, "expert_weights_scale": 2.5},
    "deepseek32": {"expert_gating_func": 2, "expert_weights_scale": 2.5},
    "glm4moe": {"expert_gating_func": 2},
    "minimax-m2": {"expert_gating_func": 2},
    "kimi-linear": {"expert_gating_func": 2, "expert_weights_scale": 2.446},
}
F32_NAMES = re.compile(
    r"norm|bias|ffn_gate_inp|ssm_(a|d|dt|conv1d|norm)|shortconv\.conv|altup_(corr|pred|router)|"
    r"attn_sinks|exp_probs|rope_freqs|token_types|indexer\.(k_norm|proj)|out_scale|layer_out_scale"
)


def metadata(shape: Shape) -> dict[str, object]:
    """The header's key-value pairs, in the order in which converters write them."""
    prefix = shape.architecture
    values = {**FLOAT_KEYS, **ARCHITECTURE_KEYS.get(prefix, {}), **shape.values}
    out: dict[str, object] = {"general.architecture": prefix, "general.name": shape.name}
    for key, value in values.items():
        if value is not None:
            out[key if key.startswith("xielu.") else f"{prefix}.{key}"] = _typed(value)
    out[f"{prefix}.vocab_size"] = shape.vocabulary
    out["tokenizer.ggml.model"] = "no_vocab"
    if "bert" in prefix:
        out["tokenizer.ggml.token_type_count"] = 1 if prefix == "bert" else 2
    return out


def _typed(value: object) -> object:
    if isinstance(value, list) and isinstance(value[0], int) and not isinstance(value[0], bool):
        return Typed("u32", value)
    return value


@cache
def recorded_tensors() -> dict[str, list[list[object]]]:
    """Name, extents and layers of each model's tensors, as llama.cpp's loader made them."""
    return json.loads((DATA / "tensors.json").read_text())


def tensors(shape: Shape) -> list[Tensor]:
    """Every tensor of a model, in its file's order."""
    layers = int(shape.values["block_count"])  # type: ignore[call-overload]
    return [
        Tensor(name, extents, tensor_type(name, extents, shape.recipe, layers))
        for name, extents in ungrouped(recorded_tensors()[shape.name])
    ]


def ungrouped(groups):
    """(name, extents, what else its group says …) of every tensor of such groups, layer by layer."""
    outside = [
        (name, tuple(extents), *more) for name, extents, ranges, *more in groups if not ranges
    ]
    inside = [
        (layer, place, name.replace("#", str(layer)), tuple(extents), *more)
        for place, (name, extents, ranges, *more) in enumerate(groups)
        for start, stop in ranges
        for layer in range(start, stop)
    ]
    return outside + [item[2:] for item in sorted(inside)]


def tensor_type(name: str, extents: tuple[int, ...], recipe: str, layers: int) -> str:
    """What llama-quantize's mixes give such a tensor, as far as rows allow."""
    if len(extents) == 1 or F32_NAMES.search(name):
        return "f32"
    if name.endswith("tid2eid.weight"):  # which experts a token has
        return "i32"
    if recipe == "mxfp4":
        wanted = "mxfp4" if "_exps" in name else "q8_0"
    elif recipe == "q4_k_m":
        wanted = _q4_k_m(name, layers)
    else:
        wanted = {"q8_0": "q8_0", "f16": "f16", "q5_k": "q5_K"}[recipe]
    for candidate in (wanted, "q8_0", "f16"):
        if extents[0] % GGML_TYPES[candidate][1] == 0:
            return candidate
    return "f16"


def _q4_k_m(name: str, layers: int) -> str:
    if name in ("output.weight", "per_layer_token_embd.weight"):
        return "q6_K"
    layer = re.match(r"blk\.(\d+)\.(attn_v|ffn_down)", name)
    if layer:
        il = int(
            layer[1]
        )  # llama-quantize's "use more bits": the first and last eighth, every third
        more = il < layers // 8 or il >= 7 * layers // 8 or (il - layers // 8) % 3 == 2
        return "q6_K" if more else "q4_K"
    return "q4_K"


def write_header(path: Path, name: str, *, sparse: bool = True) -> Path:
    """The model ``name`` of ``ALL_SHAPES`` as a file: full size and sparse, or the header alone."""
    shape = ALL_SHAPES[name]
    if sparse:
        return write_gguf(Path(path), metadata(shape), tensors(shape))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(gguf(metadata(shape), tensors(shape)))
    return Path(path)


def data_size(shape: Shape) -> int:
    """Bytes of all tensors together."""
    return sum(item.size for item in tensors(shape))
