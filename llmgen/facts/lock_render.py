"""llm.lock as text: sorted, one line for each value and each group of tensors, so that it diffs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from llmgen.facts.gguf_facts import GgufFacts, ModelFile, TensorGroup
from llmgen.facts.layer_ranges import write_ranges
from llmgen.facts.lock_checkpoint import show_checkpoint
from llmgen.facts.lock_model import FORMAT, Entry, Lock, Measurements
from llmgen.facts.lock_runs import show_run

INDENT = "  "


def render_lock(lock: Lock) -> str:
    """The one spelling of a lock; ends in a newline."""
    models = {ref: _entry(entry) for ref, entry in lock.entries.items()}
    runs = {name: show_run(run) for name, run in lock.runs.items()}
    document = {"format": FORMAT, "models": models} | ({"runs": runs} if runs else {})
    return "".join(_lines(document, 0)) + "\n"


def _entry(entry: Entry) -> dict[str, object]:
    facts = entry.facts
    found: dict[str, object] = {
        "architecture": facts.architecture,
        "files": [_file(file) for file in facts.files],
    }
    found |= _gguf(facts) if isinstance(facts, GgufFacts) else show_checkpoint(facts)
    optional: dict[str, object] = {
        "header_sha256": facts.header_sha256,
        "revision": entry.revision,
        "measured": _measured(entry.measured),
    }
    return found | {key: value for key, value in optional.items() if value}


def _gguf(facts: GgufFacts) -> dict[str, object]:
    return {
        "hyperparameters": facts.hyperparameters,
        "tensors": [_group(group) for group in facts.tensors],
        "vocabulary": facts.vocabulary,
    }


def _file(file: ModelFile) -> list[object]:
    return [file.name, file.size_bytes, *([file.sha256] if file.sha256 else [])]


def _group(group: TensorGroup) -> list[object]:
    layers = [write_ranges(group.layers)] if group.layers else []
    return [group.pattern, group.type, list(group.shape), *layers]


def _measured(found: Measurements) -> dict[str, dict[str, list[int]]]:
    return {
        settings: {
            device: [memory.model, memory.context, memory.compute]
            for device, memory in devices.items()
        }
        for settings, devices in found.items()
    }


def _lines(value: object, depth: int) -> Iterator[str]:
    """Objects and lists of lists over several lines, everything else on one."""
    match value:
        case Mapping() if value:
            items = [(f"{_flat(key)}: ", value[key]) for key in sorted(value)]
            yield from _block("{}", items, depth)
        case list() if value and isinstance(value[0], list):
            yield from _block("[]", [("", item) for item in value], depth, flat=True)
        case _:
            yield _flat(value)


def _block(
    brackets: str, items: list[tuple[str, Any]], depth: int, *, flat: bool = False
) -> Iterator[str]:
    inner = "\n" + INDENT * (depth + 1)
    yield brackets[0]
    for number, (head, value) in enumerate(items):
        yield ("," if number else "") + inner + head
        if flat:
            yield _flat(value)
        else:
            yield from _lines(value, depth + 1)
    yield "\n" + INDENT * depth + brackets[1]


def _flat(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
