"""A checkpoint's facts in llm.lock: its rows from JSON and into it."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from llmgen.facts.checkpoint_model import CheckpointFacts, StoredGroup
from llmgen.facts.gguf_facts import HeaderValue
from llmgen.facts.layer_ranges import write_ranges
from llmgen.facts.lock_values import (
    CONTROL,
    LARGEST,
    Wrong,
    header_value,
    read_count,
    read_each,
    read_layers,
    read_mapping,
)
from llmgen.facts.safetensors import BITS, tensor_bytes


def parse_config(value: object) -> Mapping[str, HeaderValue]:
    """The values of config.json."""
    return read_each(read_mapping(value, "config"), header_value, "config")


def parse_group(row: object) -> StoredGroup:
    """``[pattern, type, shape]``, with layers where the pattern has `#`, and how many in each."""
    ranges, each = "", 1
    match row:
        case [str() as pattern, str() as kind, list() as shape]:
            pass
        case [str() as pattern, str() as kind, list() as shape, str() as ranges]:
            pass
        case [str() as pattern, str() as kind, list() as shape, str() as ranges, int() as each]:
            pass
        case _:
            raise Wrong("is not [pattern, type, shape, layers, each]")
    if not pattern or CONTROL.search(pattern) or ("#" in pattern) != bool(ranges):
        raise Wrong(f"has a pattern {pattern!r} that does not go with its layers")
    if kind not in BITS:
        raise Wrong(f"has the unknown tensor type `{kind}`")
    numbers = tuple(read_count(number) for number in shape)
    if len(numbers) > 8 or prod(numbers) > LARGEST // 8 or not 1 <= each <= 1_000_000:
        raise Wrong("has an impossible shape")
    try:
        tensor_bytes(kind, numbers)
    except ValueError as error:
        raise Wrong(f"has {error}") from None
    return StoredGroup(pattern, kind, numbers, read_layers(ranges) if ranges else (), each)


def show_checkpoint(facts: CheckpointFacts) -> dict[str, object]:
    """What of a lock's entry is a checkpoint's own."""
    return {"config": facts.config, "tensors": [_row(group) for group in facts.tensors]}


def _row(group: StoredGroup) -> list[object]:
    layers = [write_ranges(group.layers)] if group.layers else []
    each = [group.each] if group.layers and group.each > 1 else []
    return [group.pattern, group.type, list(group.shape), *layers, *each]
