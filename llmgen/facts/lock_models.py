"""``llmgen lock`` without its command line: references in, a new lock and what changed out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from llmgen.errors import Diagnostic, InputError, KeyPath, Severity
from llmgen.facts.difference import differences
from llmgen.facts.gguf_facts import ModelRef
from llmgen.facts.hub_names import hub_ref
from llmgen.facts.lock_model import Entry, Lock
from llmgen.facts.sources import Sources, resolve_reference

# The file or the Hub is not there now; what the lock knows still holds.
_NO_FILE = frozenset({"facts.missing", "facts.no-store"})
_NO_HUB = frozenset({"hub.offline", "hub.unreachable", "hub.rate-limited"})


class LockOutcome(StrEnum):
    """What happened to a model of the lock."""

    ADDED = "added"
    UPDATED = "updated"
    KEPT = "kept"
    REMOVED = "removed"
    FAILED = "failed"


class LockResult(Struct, frozen=True):
    """The new lock, what happened to each reference, and what is worth knowing.

    ``failed`` is what is wrong with the references that could not be read: of these the lock has
    what it had.
    """

    lock: Lock
    steps: Mapping[ModelRef, LockOutcome]
    notes: tuple[Diagnostic, ...] = ()
    failed: tuple[Diagnostic, ...] = ()


def lock_models(
    refs: Iterable[ModelRef],
    sources: Sources,
    lock: Lock,
    *,
    update: bool = False,
    only: Collection[ModelRef] | None = None,
    watch: Callable[[ModelRef], None] | None = None,
    keys: Mapping[ModelRef, KeyPath] | None = None,
    known: Mapping[ModelRef, Entry] | None = None,
) -> LockResult:
    """Read the facts of every reference; one that fails does not keep the others from it.

    A locked model of the Hub keeps its commit; when its files have changed upstream, that is
    refused unless ``update``. A locked model that cannot be reached now is kept, with a note; one
    that is not among ``only`` is kept unread. ``watch`` is told of each reference that is read;
    ``known`` are entries that have just been read.
    """
    keys = keys or {}
    away = _NO_FILE if update else _NO_FILE | _NO_HUB
    entries: dict[ModelRef, Entry] = {}
    steps: dict[ModelRef, LockOutcome] = {}
    notes: list[Diagnostic] = []
    failed: list[Diagnostic] = []
    for ref in dict.fromkeys(refs):
        old = lock.entries.get(ref)
        if old is not None and only is not None and ref not in only:
            entries[ref], steps[ref] = old, LockOutcome.KEPT
            continue
        if watch is not None:
            watch(ref)
        try:
            new = (known or {}).get(ref)
            entries[ref] = _entry(ref, sources, old, new, update=update)
        except InputError as error:
            found = [replace(item, key=keys.get(ref, ())) for item in error.diagnostics]
            lost = old is None or any(item.code not in away for item in found)
            if old is not None:
                entries[ref] = old
            if lost:
                failed.extend(found)
                steps[ref] = LockOutcome.FAILED
                continue
            notes.extend(_kept(item) for item in found)
        steps[ref] = _step(old, entries[ref])
        if old is not None and steps[ref] is LockOutcome.UPDATED:
            notes.extend(_told(ref, old, entries[ref], keys.get(ref, ())))
    steps |= {ref: LockOutcome.REMOVED for ref in lock.entries if ref not in {*entries, *steps}}
    return LockResult(Lock(entries, lock.runs), steps, tuple(notes), tuple(failed))


def _entry(
    ref: ModelRef, sources: Sources, old: Entry | None, known: Entry | None, *, update: bool
) -> Entry:
    if old is not None and old.revision and not update:
        return _pinned(ref, sources, old)
    new = known or resolve_reference(ref, sources)
    same = old is not None and old.facts == new.facts
    return replace(new, measured=old.measured) if old is not None and same else new


def _pinned(ref: ModelRef, sources: Sources, old: Entry) -> Entry:
    wanted = hub_ref(ref)
    repository = sources.hub.repository(wanted.repo, wanted.revision)
    if repository.commit == old.revision:
        return old
    now = {
        f"{wanted.repo}/{file.path}": (file.size_bytes, file.sha256) for file in repository.files
    }
    for file in old.facts.files:
        if now.get(file.name) != (file.size_bytes, file.sha256):
            what = "has changed" if file.name in now else "is gone"
            raise InputError(
                Diagnostic(
                    "hub.changed",
                    f"`{file.name}` {what} upstream since commit {old.revision[:12]}",
                    hint="run `llmgen lock --update` to take the new files",
                )
            )
    return old


def _step(old: Entry | None, new: Entry) -> LockOutcome:
    if old is None:
        return LockOutcome.ADDED
    return LockOutcome.KEPT if old == new else LockOutcome.UPDATED


def _told(ref: ModelRef, old: Entry, new: Entry, key: KeyPath) -> Iterator[Diagnostic]:
    found = [*differences(old.facts, new.facts)]
    if found:
        yield Diagnostic(
            "lock.changed",
            f"`{ref}` has changed: {', '.join(found)}",
            key,
            hint="`llmgen show` plans it anew",
            severity=Severity.NOTE,
        )


def _kept(item: Diagnostic) -> Diagnostic:
    return replace(
        item,
        message=f"{item.message}; what llm.lock says is kept",
        severity=Severity.NOTE,
    )
