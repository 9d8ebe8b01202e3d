"""What a sync changes, as rows for people and for programs; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from llmgen.errors import Diagnostic, LlmgenError
from llmgen.facts.difference import differences
from llmgen.facts.gguf_facts import ModelRef
from llmgen.facts.lock_model import Entry
from llmgen.resolve.references import references
from llmgen.sync.decision import Decision, Own
from llmgen.sync.stores import Looked

# In the order in which they are told, with the words for them.
STATES = {
    "added": "added",
    "removed": "removed",
    "changed": "changed",
    "refused": "left out",
    "left": "for next time",
    "kept": "kept",
    "yours": "yours now",
}


class SyncRow(Struct, frozen=True):
    """One model or file: what became of it, and the details in words."""

    state: str
    name: str
    ref: ModelRef
    details: tuple[str, ...] = ()


def rows(
    mine: Own,
    decision: Decision,
    looked: Looked,
    *,
    tables: Mapping[str, Mapping[str, Any]],
    refused: Mapping[str, LlmgenError],
    failed: Sequence[Diagnostic],
    before: Mapping[ModelRef, Entry],
    now: Mapping[ModelRef, Entry],
) -> list[SyncRow]:
    """Everything that is worth telling, by what became of it, then by name.

    ``failed`` are a person's files that could not be read now, of which the lock says what it said.
    """
    found = [
        *_tables(mine, decision, tables, before, now),
        *_gone(mine, decision, tables, looked),
        *_others(mine, decision, before, now),
        *_left(decision, looked),
        *(SyncRow("left", str(item.key[1]), "", (item.message,)) for item in failed if item.key),
        *(
            SyncRow("refused", name, decision.refs[name], (_said(refused[name]),))
            for name in refused
        ),
        *(SyncRow("kept", item.name, item.ref, (item.why,)) for item in decision.kept),
        *(
            SyncRow("yours", name, "", ("edited: sync lets it be from now on",))
            for name in mine.edited
        ),
    ]
    order = [*STATES]
    return sorted(found, key=lambda row: (order.index(row.state), row.name, row.ref))


def _tables(
    mine: Own,
    decision: Decision,
    tables: Mapping[str, Mapping[str, Any]],
    before: Mapping[ModelRef, Entry],
    now: Mapping[ModelRef, Entry],
) -> Iterator[SyncRow]:
    """The tables of sync that are new, or say or stand for something else."""
    for name, keys in tables.items():
        ref = decision.refs[name]
        if name not in mine.tables:
            yield SyncRow("added", name, ref, (str(keys.get("role", "chat")),))
            continue
        said = mine.tables[name].keys
        altered = sorted(key for key in {*said, *keys} if said.get(key) != keys.get(key))
        found = [f"`{key}`" for key in altered]
        if mine.refs[name] == ref:
            found += _differences(ref, before, now)
        if found:
            yield SyncRow("changed", name, ref, tuple(found))


def _gone(
    mine: Own, decision: Decision, tables: Mapping[str, object], looked: Looked
) -> Iterator[SyncRow]:
    for name, ref in mine.refs.items():
        if name in tables or name in decision.tables:
            continue
        is_gone = ref in looked.gone
        why = "its file is gone" if is_gone else "[sync] does not take it in any longer"
        yield SyncRow("removed", name, ref, (why,))


def _others(
    mine: Own, decision: Decision, before: Mapping[ModelRef, Entry], now: Mapping[ModelRef, Entry]
) -> Iterator[SyncRow]:
    """A person's models whose files are others by now."""
    own = {*decision.refs.values()}
    for ref, key in references(mine.config).items():
        if ref not in own and (found := _differences(ref, before, now)):
            yield SyncRow("changed", str(key[1]), ref, tuple(found))


def _differences(
    ref: ModelRef, before: Mapping[ModelRef, Entry], now: Mapping[ModelRef, Entry]
) -> list[str]:
    old, new = before.get(ref), now.get(ref)
    if old is None or new is None or old.facts == new.facts:
        return []
    return [*differences(old.facts, new.facts)] or ["other tensors"]


def _left(decision: Decision, looked: Looked) -> Iterator[SyncRow]:
    kept = {item.ref for item in decision.kept}
    for item in looked.left:
        if item.ref not in kept:
            yield SyncRow("left", item.label, item.ref, (item.why,))


def _said(error: LlmgenError) -> str:
    return error.diagnostics[0].message
