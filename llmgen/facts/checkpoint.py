"""From safetensors headers and config.json to the facts of a checkpoint."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, Final

from llmgen.facts.checkpoint_model import CheckpointFacts, StoredGroup
from llmgen.facts.gguf_facts import HeaderValue, ModelFile
from llmgen.facts.refusals import refused, shown
from llmgen.facts.safetensors import StoredTensor

CONFIG: Final = "config.json"
INDEX: Final = "model.safetensors.index.json"
WHOLE: Final = "model.safetensors"
SUFFIX: Final = ".safetensors"
# Largest config.json and index that are read: DeepSeek-V3's index has 9 MiB.
MOST_JSON: Final = 64 * 2**20
MOST_FILES: Final = 1000
_MOST_TENSORS: Final = 1_000_000
# Values of config.json that a rule reads. `text_config` is where models with more than text keep
# those of their language model; vLLM reads both (transformers' `get_text_config`).
_READ: Final = frozenset(
    {
        "architectures",
        "attention_chunk_size",
        "attention_k_eq_v",
        "dtype",
        "first_k_dense_replace",
        "global_head_dim",
        "head_dim",
        "hidden_size",
        "index_head_dim",
        "index_topk",
        "intermediate_size",
        "kv_lora_rank",
        "layer_types",
        "max_position_embeddings",
        "model_type",
        "moe_intermediate_size",
        "n_routed_experts",
        "num_attention_heads",
        "num_experts",
        "num_hidden_layers",
        "num_key_value_heads",
        "num_kv_shared_layers",
        "num_local_experts",
        "num_nextn_predict_layers",
        "q_lora_rank",
        "qk_nope_head_dim",
        "qk_rope_head_dim",
        "sliding_window",
        "sliding_window_pattern",
        "tie_word_embeddings",
        "torch_dtype",
        "use_sliding_window",
        "v_head_dim",
        "vocab_size",
    }
)
_OF_QUANTISATION: Final = frozenset(
    {
        "bits",
        "desc_act",
        "format",
        "group_size",
        "kv_cache_quant_algo",
        "quant_algo",
        "quant_method",
        "weight_block_size",
    }
)
_NESTED: Final = {
    "text_config": _READ,
    "quantization_config": _OF_QUANTISATION,
    "compression_config": _OF_QUANTISATION,
}
# The first number of a name counts layers, any later one what is in them.
_NUMBER: Final = re.compile(r"(?<=\.)(0|[1-9]\d{0,3})(?=\.|$)")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def describe_checkpoint(
    name: str,
    config: object,
    shards: Sequence[tuple[str, tuple[StoredTensor, ...]]],
    files: Sequence[ModelFile],
    header_sha256: str,
) -> CheckpointFacts:
    """The facts of one checkpoint; ``shards`` are its files' names and tensors."""
    kept = _config(name, config)
    architecture = kept.get("model_type")
    if not isinstance(architecture, str) or not architecture:
        raise refused(
            "no-architecture",
            f"config.json of `{name}` does not say its `model_type`",
            "name a folder or repository that transformers can load",
        )
    return CheckpointFacts(architecture, kept, _groups(shards), tuple(files), header_sha256)


def weight_files(name: str, there: Iterable[str], index: object) -> tuple[str, ...]:
    """The files that have the weights: those of the index, else `model.safetensors`.

    ``index`` is the parsed model.safetensors.index.json, None where there is none.
    """
    present = set(there)
    wanted = sorted(set(_weight_map(name, index).values())) if index is not None else [WHOLE]
    if index is None and WHOLE not in present:
        wanted = sorted(item for item in present if item.endswith(SUFFIX))
        if len(wanted) != 1:
            what = "no .safetensors file" if not wanted else f"{len(wanted)} of them and no index"
            hint = "vLLM and SGLang load safetensors: name a repository or folder that has them"
            raise refused("no-weights", f"`{name}` has {what}", hint)
    absent = [item for item in wanted if item not in present]
    if absent:
        raise refused("shard-missing", f"`{name}` has no `{absent[0]}`, which its index names")
    return tuple(wanted)


def check_index(
    name: str, index: object, shards: Sequence[tuple[str, tuple[StoredTensor, ...]]]
) -> None:
    """Refuse an index that places a tensor in a file that does not have it."""
    if index is None:
        return
    have = {file: {tensor.name for tensor in tensors} for file, tensors in shards}
    for tensor, file in _weight_map(name, index).items():
        if tensor not in have[file]:
            raise refused(
                "index", f"the index of `{name}` places `{shown(tensor)}` in `{file}`, not so"
            )


def _weight_map(name: str, index: object) -> dict[str, str]:
    found = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(found, dict) or not found:
        raise refused("index", f"the index of `{name}` has no `weight_map`")
    for file in found.values():
        if not isinstance(file, str) or not _PLAIN.fullmatch(file) or not file.endswith(SUFFIX):
            raise refused("index", f"the index of `{name}` names `{shown(str(file))}` as a file")
    if len(set(found.values())) > MOST_FILES:
        raise refused("index", f"the index of `{name}` names more than {MOST_FILES} files")
    return found


def _config(name: str, config: object) -> dict[str, HeaderValue]:
    if not isinstance(config, dict):
        raise refused("config", f"config.json of `{name}` is no object")
    found = dict(_kept(config, _READ, ""))
    for key, wanted in _NESTED.items():
        if isinstance(config.get(key), dict):
            found.update(_kept(config[key], wanted, f"{key}."))
    scheme = _kv_scheme(config.get("quantization_config"))
    if scheme:
        found["quantization_config.kv_cache_scheme"] = scheme
    return dict(sorted(found.items()))


def _kept(
    values: Mapping[str, Any], wanted: frozenset[str], prefix: str
) -> Iterator[tuple[str, HeaderValue]]:
    for key in sorted(wanted & values.keys()):
        value = values[key]
        if _is_scalar(value):
            yield f"{prefix}{key}", value
        elif isinstance(value, list) and len(value) <= 10_000 and all(map(_is_scalar, value)):
            yield f"{prefix}{key}", tuple(value)


def _kv_scheme(quantization: object) -> str:
    """``float8`` where compressed-tensors stores the scales of an fp8 cache."""
    scheme = quantization.get("kv_cache_scheme") if isinstance(quantization, dict) else None
    if not isinstance(scheme, dict):
        return ""
    return f"{scheme.get('type')}{scheme.get('num_bits')}"[:32]


def _is_scalar(value: object) -> bool:
    if isinstance(value, bool | str):
        return not isinstance(value, str) or (len(value) <= 200 and value.isprintable())
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, float) and isfinite(value)


def _groups(
    shards: Iterable[tuple[str, tuple[StoredTensor, ...]]],
) -> tuple[StoredGroup, ...]:
    counted: dict[tuple[str, str, tuple[int, ...]], Counter[int]] = defaultdict(Counter)
    alone: Counter[tuple[str, str, tuple[int, ...]]] = Counter()
    seen: set[str] = set()
    for file, tensors in shards:
        for tensor in tensors:
            _new(file, tensor, seen)
            pattern, layer = _pattern(tensor.name)
            key = (pattern, tensor.type, tensor.shape)
            if layer is None:
                alone[key] += 1
            else:
                counted[key][layer] += 1
    found = [StoredGroup(*key, (), each) for key, each in alone.items()]
    for key, layers in counted.items():
        by_count: dict[int, list[int]] = defaultdict(list)
        for layer, each in layers.items():
            by_count[each].append(layer)
        found += [StoredGroup(*key, tuple(sorted(at)), each) for each, at in by_count.items()]
    return tuple(sorted(found, key=lambda item: (item.pattern, item.type, item.shape, item.layers)))


def _new(file: str, tensor: StoredTensor, seen: set[str]) -> None:
    name = tensor.name
    if not name or not name.isprintable() or not {"#", "*"}.isdisjoint(name) or len(name) > 500:
        raise refused("tensor-name", f"`{file}` has a tensor named `{shown(name)}`")
    if name in seen:
        raise refused("duplicate-tensor", f"tensor `{shown(name)}` of `{file}` is there twice")
    seen.add(name)
    if len(seen) > _MOST_TENSORS:
        raise refused("tensor-count", f"`{file}` and those before it have too many tensors")


def _pattern(name: str) -> tuple[str, int | None]:
    first = _NUMBER.search(name)
    if first is None:
        return name, None
    begin, end = first.span()
    return f"{name[:begin]}#{_NUMBER.sub('*', name[end:])}", int(first[0])
