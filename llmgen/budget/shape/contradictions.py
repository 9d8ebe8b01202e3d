"""Headers that contradict themselves or their tensors: llama.cpp takes none of these files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from llmgen.budget.settings import SettingRefused
from llmgen.budget.shape.header import Header
from llmgen.facts.gguf_facts import GgufFacts

# Which tensor of a layer has a side of this size.
_TENSORS: Final[Mapping[str, tuple[str, ...]]] = {
    "attention.head_count": ("blk.#.attn_q.weight",),
    "attention.head_count_kv": ("blk.#.attn_k.weight",),
    "attention.key_length": ("blk.#.attn_k.weight",),
    "attention.value_length": ("blk.#.attn_v.weight",),
    "feed_forward_length": ("blk.#.ffn_up.weight", "blk.#.ffn_gate.weight"),
}
_MOST_STREAMS: Final = 64
DAMAGED: Final = "the file is damaged: convert or download it again"


def refuse_zeros(facts: GgufFacts, sizes: Mapping[str, Sequence[int]]) -> None:
    """SettingRefused where the header says 0 for every layer, and layers have such a tensor.

    ``check_tensor_dims`` in llama.cpp refuses the file.
    ``sizes`` are what the header says for each layer; hybrids say 0 for some.
    """
    if facts.hyperparameters.get("embedding_length") == 0:
        _refuse("embedding_length", "token_embd.weight")
    patterns = {group.pattern for group in facts.tensors}
    for key, tensors in _TENSORS.items():
        if key not in facts.hyperparameters or any(sizes[key]):
            continue
        for tensor in tensors:
            if tensor in patterns:
                _refuse(key, tensor)


def refuse_counts(header: Header) -> None:
    """SettingRefused where the loader of llama.cpp ends: ``load_hparams`` in llama-model.cpp.

    It knows no bound of streams; no model has more than a few, and a graph has nodes for each.
    """
    streams = header.count("hyper_connection.count")
    if streams > _MOST_STREAMS:
        message = f"`hyper_connection.count` is {streams}, more than {_MOST_STREAMS}"
        raise SettingRefused("model", message, DAMAGED)
    experts, used = header.count("expert_count"), header.most("expert_used_count")
    if used > experts or (experts and not used):
        message = f"`expert_used_count` is {used} of {experts} experts"
        raise SettingRefused("model", message, DAMAGED)


def _refuse(key: str, tensor: str) -> None:
    message = f"`{key}` is 0 in the header, which has `{tensor}` all the same"
    raise SettingRefused("model", message, DAMAGED)
