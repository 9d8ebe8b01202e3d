"""The library of llm.toml with some of its keys written anew: what advice is tried with."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias, TypeVar

from llmgen.config.config import Config
from llmgen.config.tables.base import Table
from llmgen.errors import KeyPath
from llmgen.facts.checkpoint_model import CheckpointFacts
from llmgen.facts.gguf_facts import GgufFacts, ModelRef
from llmgen.library import Library, Model
from llmgen.resolve import resolve
from llmgen.resolve.references import checkpoint_ref, file_ref, model_ref, part_ref

# A key with its new value as TOML; without a value it is taken out.
Edit: TypeAlias = tuple[KeyPath, str]
_Table = TypeVar("_Table", bound=Table)


def rewritten(library: Library, edits: Iterable[Edit]) -> Library:
    """What these edits of llm.toml mean, every default and check included.

    Raises pydantic's ValidationError or ConfigError where the text is then no llm.toml.
    """
    config = library.config
    for key, text in edits:
        config = _set(config, key, text)
    measured = {item.ref: item.measured for item in library.models if item.ref and item.measured}
    return resolve(config, _facts(library), measured, library.runs, _checkpoints(library))


def _set(table: _Table, key: Sequence[str | int], text: str) -> _Table:
    first, rest = str(key[0]), key[1:]
    given = {name: getattr(table, name) for name in table.model_fields_set}
    if not rest and not text:
        given.pop(first, None)
    elif not rest:
        given[first] = _value(tomllib.loads(f"value = {text}")["value"])
    else:
        given[first] = _inside(getattr(table, first), rest, text)
    return type(table).model_validate(given)


def _inside(below: object, key: Sequence[str | int], text: str) -> object:
    match below:
        case Table():
            return _set(below, key, text)
        case dict():
            return {**below, key[0]: _inside(below[key[0]], key[1:], text)}
        case _:
            raise TypeError(key)


def _value(value: object) -> object:
    """A value of TOML as the tables hold it."""
    return tuple(map(_value, value)) if isinstance(value, list) else value


def _facts(library: Library) -> dict[ModelRef, GgufFacts]:
    llama = (model for model in library.models if model.is_llama)
    return dict(pair for model in llama for pair in _own(library.config, model))


def _checkpoints(library: Library) -> dict[ModelRef, CheckpointFacts]:
    return {
        checkpoint_ref(library.config.models[model.name]): model.served.checkpoint
        for model in library.models
        if model.served is not None and model.served.checkpoint is not None
    }


def _own(config: Config, model: Model) -> Iterator[tuple[ModelRef, GgufFacts]]:
    table = config.models[model.name]
    yield model_ref(table), model.facts
    if table.mmproj and model.mmproj is not None:
        yield part_ref(table, table.mmproj), model.mmproj
    if table.draft is not None and model.draft is not None:
        yield model_ref(table.draft), model.draft
    for item, facts in zip(table.lora, model.adapters, strict=True):
        yield file_ref(item.path), facts
