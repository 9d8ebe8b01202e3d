"""What differs between a locked model and the one that takes its place, for people; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from llmgen.facts.checkpoint_model import CheckpointFacts
from llmgen.facts.gguf_facts import GgufFacts, HeaderValue
from llmgen.facts.header import TEMPLATE
from llmgen.units import show_size

# Keys of a header that clients notice, in words.
_TOLD: Final = {
    "context_length": "trained context",
    "max_position_embeddings": "trained context",
    "text_config.max_position_embeddings": "trained context",
    "block_count": "layers",
    "embedding_length": "embedding length",
    "tokenizer.ggml.pre": "tokenizer",
    "tokenizer.ggml.eos_token_id": "end-of-text token",
    "general.file_type": "file type",
}


def differences(
    old: GgufFacts | CheckpointFacts, new: GgufFacts | CheckpointFacts
) -> Iterator[str]:
    """Each change as a phrase: ``trained context 32768 → 131072``."""
    if old.architecture != new.architecture:
        yield f"architecture {old.architecture} → {new.architecture}"
    before, after = _values(old), _values(new)
    for key, words in _TOLD.items():
        if before.get(key) != after.get(key):
            yield f"{words} {_shown(before.get(key))} → {_shown(after.get(key))}"
    if old.size_bytes != new.size_bytes:
        yield f"size {_sizes(old.size_bytes, new.size_bytes)}"
    if isinstance(old, GgufFacts) and isinstance(new, GgufFacts):
        yield from _of_files(old, new)


def _values(facts: GgufFacts | CheckpointFacts) -> Mapping[str, HeaderValue]:
    return facts.hyperparameters if isinstance(facts, GgufFacts) else facts.config


def _of_files(old: GgufFacts, new: GgufFacts) -> Iterator[str]:
    if old.vocabulary != new.vocabulary:
        yield f"vocabulary {old.vocabulary} → {new.vocabulary} tokens"
    before, after = old.hyperparameters.get(TEMPLATE), new.hyperparameters.get(TEMPLATE)
    if before is not None and after is None:
        yield "no chat template any more"
    # A lock of an older llmgen does not say which template it was.
    elif before is not None and before != after:
        yield "another chat template"


def _sizes(old: int, new: int) -> str:
    """Two sizes, in bytes where they are the same to a person."""
    one, other = show_size(old), show_size(new)
    return f"{one} → {other}" if one != other else f"{old} → {new} bytes"


def _shown(value: HeaderValue | None) -> str:
    return "none" if value is None else str(value)[:60]
