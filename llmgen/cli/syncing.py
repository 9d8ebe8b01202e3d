"""The steps of ``llmgen sync``: everything is read and decided before the first byte is written."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from llmgen.cli.lock import sources as sources_of
from llmgen.cli.pipeline import LOCK, OUTPUT, Read, tree
from llmgen.cli.waiting import waiting
from llmgen.errors import ConfigError, Diagnostic, InputError, LlmgenError

if TYPE_CHECKING:
    from llmgen.apply.changes import Change
    from llmgen.cli.boundary import Session
    from llmgen.config.tables.sync import Sync
    from llmgen.facts.gguf_facts import ModelRef
    from llmgen.facts.lock import Lock
    from llmgen.facts.lock_models import LockResult
    from llmgen.facts.sources import Sources
    from llmgen.plan.plan import Plan
    from llmgen.sync.decision import Decision, Own
    from llmgen.sync.stores import Looked


class Synced(Struct, frozen=True):
    """What a sync found and decided: the llm.toml that comes of it, its lock and its plan.

    ``before`` is the lock as it was, ``refused`` are the models of ``decision`` that do not fit
    beside the others, with what was said.
    """

    found: Read
    mine: Own
    looked: Looked
    decision: Decision
    tables: Mapping[str, Mapping[str, object]]
    refused: Mapping[str, LlmgenError]
    after: Read
    before: Lock
    lock: Lock
    result: LockResult
    plan: Plan

    @property
    def text(self) -> str:
        """What llm.toml says afterwards."""
        return self.after.sources[0].text


def rules_of(found: Read) -> Sync:
    """[sync] of llm.toml; ConfigError when there is none."""
    rules = found.config.sync
    if rules is None:
        raise ConfigError(
            Diagnostic(
                "sync.no-rules",
                f"`{found.sources[0].name}` has no [sync], which says what is taken in",
                hint="write `[sync]`: alone, it takes in [paths] models, Ollama and LM Studio",
            )
        )
    return rules


@contextmanager
def alone(found: Read) -> Iterator[None]:
    """One sync of an llm.toml at a time; InputError while another one is at it."""
    from llmgen.apply.files import locked

    folder = Path(found.sources[0].name).resolve().parent
    try:
        with locked(folder, wait=False):
            yield
    except BlockingIOError:
        raise InputError(
            Diagnostic(
                "sync.busy",
                f"another `llmgen sync` is at work on `{found.sources[0].name}`",
                hint="run the same command again when it has ended",
            )
        ) from None


def synced(found: Read) -> Synced:
    """Look at the stores, and decide what llm.toml is to say; nothing is written."""
    from llmgen.facts.lock import read_settled
    from llmgen.sync.decision import decide, own
    from llmgen.sync.stores import look

    rules = rules_of(found)
    places = sources_of(found, None)
    before = read_settled(found.folder / LOCK)
    mine = own(found.sources, found.config)
    with waiting("looking for models"):
        known = [*_known(mine, places, before)]
        own_refs = mine.refs.values()
        looked = look(rules, places, known=known, own=own_refs, now=time.time())
    decision = decide(rules, mine, found.config, looked, before.entries)
    whole = _read(found, mine, decision.tables)
    result = _locked(whole, decision, looked, places, before)
    with waiting(f"planning {len(whole.config.models)} models"):
        taken, refused, after, placed = _planned(found, mine, decision, result.lock)
    lock = _of(after, result.lock)
    tables = {name: keys for name, keys in decision.tables.items() if name in taken}
    return Synced(
        found, mine, looked, decision, tables, refused, after, before, lock, result, placed
    )


def _known(mine: Own, places: Sources, lock: Lock) -> Iterator[Path]:
    """The files that a person's part of llm.toml names, or that were pulled for it."""
    from llmgen.facts.sources import local_path
    from llmgen.models.inventory import other_files
    from llmgen.resolve.references import references
    from llmgen.sync.stores import path_of

    for ref in references(mine.config):
        if (path := path_of(ref, places)) is not None:
            yield path
        if ref in lock.facts:
            yield from (local_path(file.name, places) for file in lock.facts[ref].files)
    for table in mine.config.models.values():
        yield from (local_path(name, places) for name in other_files(table))


def _read(found: Read, mine: Own, tables: Mapping[str, Mapping[str, object]]) -> Read:
    """The llm.toml with these tables of sync, as it would be read."""
    from llmgen.config.load import load

    sources = mine.with_tables(tables)
    return Read(sources, load(sources), found.folder)


def _locked(
    whole: Read, decision: Decision, looked: Looked, places: Sources, before: Lock
) -> LockResult:
    """The lock of this llm.toml; the Hub is asked only for what the lock does not know.

    Files that are left for next time are not read. InputError when one is neither read nor known.
    """
    from llmgen.cli.lock import selected
    from llmgen.facts.lock import Entry
    from llmgen.facts.lock_models import lock_models
    from llmgen.resolve.references import references

    keys = references(whole.config)
    wanted = selected(whole, ())
    unread = {item.ref for item in decision.kept} | {
        ref for ref in before.entries if ref.startswith(("hf:", "repo:"))
    }
    result = lock_models(
        (ref for ref in keys if ref in wanted or ref in before.entries),
        places,
        before,
        only=wanted - unread,
        keys=keys,
        known={item.ref: Entry(item.facts) for item in looked.candidates},
    )
    lost = [item for item in result.failed if _ref_of(item, keys) not in result.lock.entries]
    if lost:
        raise whole.located(InputError(lost))
    return result


def _ref_of(item: Diagnostic, keys: Mapping[ModelRef, object]) -> ModelRef:
    return next((ref for ref, key in keys.items() if key == item.key), "")


def _planned(
    found: Read, mine: Own, decision: Decision, lock: Lock
) -> tuple[Collection[str], Mapping[str, LlmgenError], Read, Plan]:
    """The tables that fit, those already there first, and their plan."""
    from llmgen.sync.fitting import fitting

    known: dict[frozenset[str], tuple[Read, Plan]] = {}

    def refusal(names: Sequence[str]) -> LlmgenError | None:
        chosen = {name: keys for name, keys in decision.tables.items() if name in names}
        read = _read(found, mine, chosen)
        try:
            known[frozenset(names)] = read, _place(read, lock)
        except LlmgenError as error:
            return read.located(error)
        return None

    is_new = {name: mine.refs.get(name) != ref for name, ref in decision.refs.items()}
    order = sorted(decision.tables, key=lambda name: (is_new[name], name))
    taken, refused = fitting(decision.needed, order, refusal)
    return (taken, refused, *known[frozenset(taken)])


def _place(read: Read, lock: Lock) -> Plan:
    from llmgen.plan.place import place
    from llmgen.resolve import resolve

    measured = {ref: entry.measured for ref, entry in lock.entries.items() if entry.measured}
    return place(resolve(read.config, lock.facts, measured, lock.runs, lock.checkpoints))


def _of(after: Read, lock: Lock) -> Lock:
    """What a lock has of the models of an llm.toml."""
    from llmgen.resolve.references import references

    refs = references(after.config)
    return replace(
        lock,
        entries={ref: entry for ref, entry in lock.entries.items() if ref in refs},
        runs={name: run for name, run in lock.runs.items() if name in after.config.models},
    )


def generated(session: Session, done: Synced) -> tuple[list[Change], Path]:
    """What `generate` would do, and where; OwnershipError when something is in its way."""
    from llmgen.apply.write import generated as place_of
    from llmgen.apply.write import plan_changes, refuse_conflicts

    root = done.found.folder / OUTPUT
    decided = plan_changes(tree(done.after, done.plan, session), root)
    try:
        refuse_conflicts(place_of(root), decided)
    except LlmgenError as error:
        raise by_command("llmgen generate", error) from None
    return decided, root


def by_command(command: str, error: LlmgenError) -> LlmgenError:
    """The same conflicts, with the command that takes their ways out."""
    note = f"`{command}` takes these options; then run `llmgen sync` again"
    return type(error)([replace(item, notes=(*item.notes, note)) for item in error.diagnostics])


def write(done: Synced, decided: Sequence[Change], root: Path) -> None:
    """Write llm.toml, llm.lock and generated/, each whole, in an order that is right at any time.

    Cut short, the lock knows the models of the old llm.toml and of the new one.
    """
    from llmgen.apply.write import apply_changes
    from llmgen.cli.writing import edit_config
    from llmgen.facts.lock import write_lock

    path = done.found.folder / LOCK
    _refuse_edited(done.found)
    both = replace(done.lock, entries={**done.before.entries, **done.result.lock.entries})
    if done.text != done.found.sources[0].text:
        write_lock(path, both)
        edit_config(done.found, done.text)
    write_lock(path, done.lock)
    apply_changes(decided, root)


def _refuse_edited(found: Read) -> None:
    """InputError when somebody has saved llm.toml since it was read."""
    from llmgen.config.source import read

    name = found.sources[0].name
    if read(name).text != found.sources[0].text:
        raise InputError(
            Diagnostic(
                "sync.edited",
                f"`{name}` was changed while the stores were looked at; nothing is written",
                hint="run the same command again",
            )
        )
