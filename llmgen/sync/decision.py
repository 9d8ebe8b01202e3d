"""From an llm.toml and what is in the stores to the tables that sync has there; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from msgspec import Struct

from llmgen.config.config import Config
from llmgen.config.load import load, overlay
from llmgen.config.source import Source, parse
from llmgen.config.tables.sync import Sync
from llmgen.facts.gguf_facts import ModelRef
from llmgen.models.inventory import users_of
from llmgen.resolve.names import claims
from llmgen.resolve.references import model_ref
from llmgen.sync.marks import Marked, marked, with_tables, without_marks
from llmgen.sync.rules import Taken, take
from llmgen.sync.stores import Looked


class Own(Struct, frozen=True):
    """An llm.toml taken apart: a person's ``text`` and ``config``, and the tables of sync.

    ``tables`` are those as sync wrote them, with the references of their files; ``edited`` the
    names of those that a person has changed since, which are the person's.
    """

    source: Source
    others: tuple[Source, ...]
    text: str
    config: Config
    tables: Mapping[str, Marked]
    refs: Mapping[str, ModelRef]
    edited: tuple[str, ...]

    def with_tables(self, tables: Mapping[str, Mapping[str, Any]]) -> tuple[Source, ...]:
        """The llm.toml with these tables of sync instead."""
        return (parse(self.source.name, with_tables(self.text, tables)), *self.others)


class KeptTable(Struct, frozen=True):
    """A table of sync that stays although no file speaks for it now, and why."""

    name: str
    ref: ModelRef
    why: str


class Decision(Struct, frozen=True):
    """The tables that sync wants, by name in order; ``kept`` are among them, ``needed`` too.

    ``needed`` are those that a person's part names.
    """

    tables: Mapping[str, Mapping[str, Any]]
    refs: Mapping[str, ModelRef]
    kept: tuple[KeptTable, ...]
    needed: tuple[str, ...]


def own(sources: Sequence[Source], config: Config) -> Own:
    """Take an llm.toml apart; ``config`` is the whole of it."""
    first, *rest = sources
    others = tuple(rest)
    found = marked(first, others)
    text = without_marks(first, found)
    tables = {name: item for name, item in found.items() if item.intact}
    return Own(
        source=first,
        others=others,
        text=text,
        config=load((parse(first.name, text), *others)),
        tables=tables,
        refs={name: model_ref(config.models[name]) for name in tables},
        edited=tuple(name for name, item in found.items() if not item.intact),
    )


def decide(
    rules: Sync, mine: Own, whole: Config, looked: Looked, locked: Collection[ModelRef]
) -> Decision:
    """The tables that belong in llm.toml; ``whole`` is what it says now, ``locked`` the lock."""
    staying = {item.name: item for item in _staying(rules, mine, looked, locked)}
    held = {item.ref for item in staying.values()}
    free = (item for item in looked.candidates if item.ref not in held)
    fresh = [*take(rules, _options(mine), free, (*_names(mine.config), *staying))]
    fresh, staying = _with_named(fresh, staying, mine, whole)
    tables = {
        **{name: mine.tables[name].keys for name in staying},
        **{item.name: item.keys for item in fresh},
    }
    refs = {
        **{name: item.ref for name, item in staying.items()},
        **{item.name: item.ref for item in fresh},
    }
    order = sorted(tables)
    return Decision(
        {name: tables[name] for name in order},
        {name: refs[name] for name in order},
        tuple(staying.values()),
        tuple(name for name in order if name in mine.tables and users_of(whole, name)),
    )


def _options(mine: Own) -> Mapping[str, Mapping[str, Any]]:
    """[sync.options] as it is written: `64K` stays `64K`."""
    documents = (source.document for source in (mine.source, *mine.others))
    merged: dict[str, Any] = reduce(overlay, documents)
    found = merged.get("sync", {}).get("options", {})
    return found if isinstance(found, dict) else {}


def _names(config: Config) -> Iterator[str]:
    """Every name of a person's, with and without what [naming] puts before it."""
    prefix = config.naming.prefix
    for name, _ in claims(config):
        yield name
        yield name.removeprefix(prefix)


def _staying(
    rules: Sync, mine: Own, looked: Looked, locked: Collection[ModelRef]
) -> Iterator[KeptTable]:
    """Tables of which nothing can be said now, or that never go."""
    there = {item.ref for item in looked.candidates}
    left = {item.ref: item.why for item in looked.left}
    for name, ref in mine.refs.items():
        if ref in there:
            continue
        if ref in left and ref in locked:
            yield KeptTable(name, ref, left[ref])
        elif ref in looked.lost:
            yield KeptTable(name, ref, looked.lost[ref])
        elif not rules.remove:
            yield KeptTable(name, ref, "`remove = false` in [sync]")


def _with_named(
    fresh: Sequence[Taken], staying: Mapping[str, KeptTable], mine: Own, whole: Config
) -> tuple[list[Taken], dict[str, KeptTable]]:
    """Tables that would go stay where a person's keys name them, also under another name."""
    names = {item.name for item in fresh} | staying.keys()
    used = {
        name: KeptTable(name, ref, f"`{'.'.join(map(str, users[0]))}` names it")
        for name, ref in mine.refs.items()
        if name not in names and (users := users_of(whole, name))
    }
    refs = {item.ref for item in used.values()}
    return [item for item in fresh if item.ref not in refs], {**staying, **used}
