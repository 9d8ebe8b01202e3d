"""Tensors that a header implies, for files that lack some of those that a graph needs."""

from __future__ import annotations

from llmgen.budget.shape.hyperparameters import Hyperparameters

_UP = ("ffn_up", "ffn_gate")


def implied(model: Hyperparameters, name: str, layer: int) -> tuple[int, ...] | None:
    """The extents of a usual tensor as the header implies them, or None for any other."""
    stem, _, kind = name.rpartition(".")
    if kind != "weight" or not stem:
        return None
    if layer < 0:
        return _outside(model, stem)
    if layer >= model.layers:
        return None
    part, _, suffix = stem.partition("_exps")
    if suffix or part == stem:
        return _of_layer(model, stem, layer)
    return _of_experts(model, part, layer)


def _outside(model: Hyperparameters, stem: str) -> tuple[int, ...] | None:
    match stem:
        case "token_embd" | "output":
            return (model.embedding, max(1, model.vocabulary))
        case "output_norm":
            return (model.embedding,)
        case "per_layer_token_embd":
            return (_inputs(model), max(1, model.vocabulary))
        case "per_layer_model_proj":
            return (model.embedding, _inputs(model))
        case _:
            return None


def _inputs(model: Hyperparameters) -> int:
    """Elements of the rows for all layers, beside the stream."""
    return model.header.count("embedding_length_per_layer_input") * model.trunk


def _of_layer(model: Hyperparameters, stem: str, layer: int) -> tuple[int, ...] | None:
    width, heads, kv = model.embedding, model.heads[layer], model.kv_heads[layer]
    windowed = model.windows.layers[layer]
    key = model.key_length_window if windowed else model.key_length
    value = model.value_length_window if windowed else model.value_length
    feed, header = model.feed_forward[layer] or width, model.header
    routed = _routes(model, layer)
    match stem:
        case "attn_norm" | "ffn_norm":
            return (width,)
        case "attn_q":
            return (width, heads * key)
        case "attn_k":
            return (width, kv * key)
        case "attn_v":
            return (width, kv * value)
        case "attn_output":
            return (heads * value, width)
        case "ffn_up" | "ffn_gate" if not routed:
            return (width, feed)
        case "ffn_down" if not routed:
            return (feed, width)
        case "ffn_gate_inp" if routed:
            return (width, header.most("expert_count"))
        case "nextn.eh_proj":
            return (2 * width, width)
        case "inp_gate":
            return (width, _inputs(model) // model.trunk)
        case "proj":
            return (_inputs(model) // model.trunk, width)
        case _:
            return None


def _of_experts(model: Hyperparameters, part: str, layer: int) -> tuple[int, ...] | None:
    if not _routes(model, layer):
        return None
    header, width = model.header, model.embedding
    every = header.most("expert_count")
    feed = header.most("expert_feed_forward_length") or model.feed_forward[layer] or width
    if part in _UP:
        return (width, feed, every)
    return (feed, width, every) if part == "ffn_down" else None


def _routes(model: Hyperparameters, layer: int) -> bool:
    """Whether a layer has experts."""
    header = model.header
    every = max(1, header.count("interleave_moe_layer_step", 1))
    late = layer >= header.count("leading_dense_block_count") and not (layer + 1) % every
    return late and header.most("expert_count") > 0 and header.most("expert_used_count") > 0
