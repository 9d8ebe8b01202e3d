"""[sync] applied: which models of a scan are taken in, under which names and with which keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from glob import escape
from pathlib import PurePosixPath
from typing import Any, Final

from msgspec import Struct

from llmgen.config.edit import value_text
from llmgen.config.names import file_name, sane
from llmgen.config.tables.sync import SYNC_ROLES, Sync
from llmgen.facts.gguf_facts import GgufFacts, ModelRef
from llmgen.resolve.role import made_for

_SHARD: Final = re.compile(r"-\d{5}-of-\d{5}$")
_OTHER: Final = re.compile(r"[^a-z0-9._]+")
# What the program's own tables may say of a model, so that no name becomes longer with a number.
_LONGEST: Final = 96


class StoreModel(Struct, frozen=True):
    """A whole model of a store: how llm.toml names it, what its store calls it, what it is.

    ``source`` are the keys that say where it comes from, its projector's among them.
    """

    ref: ModelRef
    label: str
    source: Mapping[str, str]
    facts: GgufFacts

    @property
    def role(self) -> str:
        """What its header says that it is made for; with a projector, it sees."""
        found = made_for(self.facts)
        return "vision" if found == "chat" and "mmproj" in self.source else found


class Taken(Struct, frozen=True):
    """A model that the rules take in: its name, and its table in llm.toml."""

    name: str
    ref: ModelRef
    role: str
    keys: Mapping[str, Any]


def is_wanted(rules: Sync, label: str) -> bool:
    """Whether the patterns take in what a store calls ``label``."""
    base = base_name(label)
    names = (label, PurePosixPath(label).name, base, rules.prefix + base)
    return _matches(rules.include, names) and not _matches(rules.exclude, names)


def pattern_of(label: str) -> str:
    """The list with the one pattern that takes in, or leaves out, what a store calls ``label``."""
    return value_text([escape(label)])


def take(
    rules: Sync,
    options: Mapping[str, Mapping[str, Any]],
    candidates: Iterable[StoreModel],
    taken: Iterable[str],
) -> Iterator[Taken]:
    """The models that the rules take in, in the order of the candidates.

    ``options`` are those of [sync] as they are written; ``taken`` the names that others have.
    """
    used = {file_name(name) for name in taken}
    copies: set[tuple[str, str, int]] = set()
    for item in candidates:
        if not _is_of(rules, item):
            continue
        base = rules.prefix + base_name(item.label)
        copy = (base, item.facts.header_sha256, item.facts.size_bytes)
        if copy in copies:
            continue
        copies.add(copy)
        name = _free(base, used)
        used.add(file_name(name))
        yield Taken(name, item.ref, item.role, _keys(item, name, options))


def base_name(label: str) -> str:
    """A name from what a store calls a model, of that alone: other files do not change it.

    Ollama's names stay; a file's is its name in small letters, its quantisation included.
    """
    if not label.endswith(".gguf"):
        return sane(label)[:_LONGEST] or "model"
    stem = _SHARD.sub("", PurePosixPath(label).name.removesuffix(".gguf"))
    return _OTHER.sub("-", stem.lower()).strip("-._")[:_LONGEST] or "model"


def _free(base: str, used: set[str]) -> str:
    """The name, with a number where a model has it or one whose files would be called the same."""
    names = (base, *(f"{base}-{number}" for number in range(2, len(used) + 3)))
    return next(name for name in names if file_name(name) not in used)


def _is_of(rules: Sync, item: StoreModel) -> bool:
    role = made_for(item.facts)
    return role in rules.roles or role not in SYNC_ROLES


def _keys(
    item: StoreModel, name: str, options: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any]:
    role = {} if item.role == "chat" else {"role": item.role}
    names = (item.label, PurePosixPath(item.label).name, name)
    roles = {item.role, made_for(item.facts)}
    found: dict[str, Any] = {}
    for pattern, keys in options.items():
        if pattern in roles or _matches((pattern,), names):
            found |= keys
    return {**item.source, **role, **found}


def _matches(patterns: Iterable[str], names: Iterable[str]) -> bool:
    listed = [name.lower() for name in names]
    return any(fnmatchcase(name, pattern.lower()) for pattern in patterns for name in listed)
