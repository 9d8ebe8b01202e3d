"""Plan and apply a tree to a folder: conflicts first, then journal, files, ledger."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from llmgen.apply import files
from llmgen.apply.changes import (
    Action,
    Change,
    Owned,
    PathKind,
    Ways,
    Written,
    can_adopt,
    changes,
    conflicts,
    entry,
    is_same,
)
from llmgen.apply.failure import cannot_write
from llmgen.apply.ledger import ledger_text, merged, read_ledger
from llmgen.apply.snapshot import Place, look, snapshot
from llmgen.artifacts import Artifact, Tree
from llmgen.errors import Diagnostic, InputError, OwnershipError

LEDGER = ".llmgen.json"
_WRITES = (Action.CREATE, Action.UPDATE)


def generated(root: Path) -> Place:
    """The place of ``llmgen generate``: the ledger lies in the folder and can be committed."""
    return Place(root, root / LEDGER, durable=False)


def plan_changes(
    tree: Tree,
    root: Path,
    *,
    adopt: bool = False,
    overwrite: Collection[str] = (),
    backup: bool = False,
    only_targets: Collection[str] = (),
) -> list[Change]:
    """What writing ``tree`` below ``root`` would do, conflicts included."""
    files.refuse_no_folder(root)
    _refuse_link(root)
    chosen = frozenset(_below(root, name) for name in overwrite)
    ways = Ways(adopt=adopt, overwrite=chosen, backup=backup)
    return decide(generated(root), tree.artifacts, ways, only_targets)


def _refuse_link(root: Path) -> None:
    """OwnershipError where the folder is a link: like one below it, it would lead elsewhere."""
    if root.is_symlink():
        message = f"`{root}` is a symlink, and llmgen writes through none"
        hint = f"`-o {shlex.quote(str(root.resolve()))}` writes where it leads"
        raise OwnershipError(Diagnostic("write.symlink", message, hint=hint))


def apply_changes(decided: Sequence[Change], root: Path) -> None:
    """Do what ``plan_changes`` decided; OwnershipError, with nothing written, on any conflict."""
    apply(generated(root), decided)


def decide(
    place: Place,
    wanted: Mapping[PurePosixPath, Artifact],
    ways: Ways,
    only_targets: Collection[str] = (),
) -> list[Change]:
    """Compare ``wanted`` with the place; with ``only_targets``, other targets' files are let be."""
    written = _written(place)
    if only_targets:
        wanted = {path: item for path, item in wanted.items() if item.target in only_targets}
        written = {
            path: owned
            for path, owned in written.items()
            if path in wanted or owned.target in only_targets
        }
    actual = snapshot(place, {*wanted, *written})
    return [*changes(wanted, written, actual, ways)]


def apply(place: Place, decided: Sequence[Change]) -> None:
    """Write, delete and record; a crash at any point leaves only files that the next run knows.

    The ledger alone cannot do it: written last, it misses new files after a crash; written first,
    it makes old files look edited. So the journal names both states of every path before the
    first write, and goes when the ledger is in place.
    """
    refuse_conflicts(place, decided)
    if _is_recorded(place, decided):
        return
    refuse_unwritable(place, decided)
    try:
        files.make_folder(place.root, durable=place.durable)
        files.make_folder(place.ledger.parent, durable=place.durable)
        with files.locked(place.ledger.parent):
            _apply(place, decided)
    except OSError as error:
        raise InputError(cannot_write(place.root, error)) from error


def _is_recorded(place: Place, decided: Sequence[Change]) -> bool:
    """Whether files and ledger already say what was decided."""
    if not is_same(list(decided)) or place.journal.exists():
        return False
    ledger = read_ledger(place.ledger)
    return ledger == _ledger(ledger, decided)


def refuse_conflicts(place: Place, decided: Sequence[Change]) -> None:
    """OwnershipError with every conflict and the three ways out."""
    found = conflicts(list(decided))
    if found:
        raise OwnershipError(
            [
                Diagnostic(
                    "apply.conflict",
                    f"`{place.root / item.path}` {item.reason}",
                    hint=", or ".join(_ways_out(place, item)),
                )
                for item in found
            ]
        )


def _ways_out(place: Place, item: Change) -> Iterator[str]:
    """What settles a conflict, only what does."""
    yield "move it away"
    if item.before is not None and item.before.kind in (PathKind.DIRECTORY, PathKind.BLOCKED):
        return
    yield f"`--overwrite {_word(place, item.path)}`"
    yield "`--backup`"
    if can_adopt(item):
        yield "`--adopt`: it carries llmgen's header"


def _word(place: Place, path: PurePosixPath) -> str:
    """The path for a command line, as right from this folder as from any other."""
    return shlex.quote(str(place.root / path))


def _apply(place: Place, decided: Sequence[Change]) -> None:
    _clean(place)
    refuse_moved(place, decided)
    written = _written(place)
    _note(place, place.journal, _journal(written, decided))
    there: set[PurePosixPath] = set()
    for change in decided:
        if change.action in _WRITES:
            folder = change.path.parent
            if folder not in there:
                files.make_folder(place.root / folder, durable=place.durable)
                there.add(folder)
            _write(place, change)
    for change in decided:
        if change.action is Action.DELETE:
            _delete(place, change)
    _record(place, _ledger(written, decided))


def _clean(place: Place) -> None:
    """Remove temporary files that an interrupted run left; the journal names their places."""
    for path in read_ledger(place.journal):
        if not _is_blocked(place, path):
            files.remove_file(files.temporary(place.root / path))
    for own in (place.ledger, place.journal):
        files.remove_file(files.temporary(own))


def _is_blocked(place: Place, path: PurePosixPath) -> bool:
    found = look(place, path)
    return found is not None and found.kind is PathKind.BLOCKED


def refuse_moved(place: Place, decided: Sequence[Change]) -> None:
    """OwnershipError when a file changed between the decision and now."""
    moved = [item.path for item in decided if look(place, item.path) != item.before]
    if moved:
        raise OwnershipError(
            [
                Diagnostic(
                    "apply.moved",
                    f"`{place.root / path}` changed while llmgen was deciding about it",
                    hint="run the command again",
                )
                for path in moved
            ]
        )


def _journal(written: Written, decided: Sequence[Change]) -> dict[PurePosixPath, Owned]:
    coming = {
        item.path: Owned(frozenset({entry(item.artifact)}), item.target)
        for item in decided
        if item.artifact is not None
    }
    return merged(written, coming)


def _ledger(written: Written, decided: Sequence[Change]) -> dict[PurePosixPath, Owned]:
    gone = {item.path for item in decided if item.artifact is None}
    kept = {path: owned for path, owned in written.items() if path not in gone}
    for item in decided:
        if item.artifact is not None:
            kept[item.path] = Owned(frozenset({entry(item.artifact)}), item.target)
    return kept


def _record(place: Place, owned: Mapping[PurePosixPath, Owned]) -> None:
    _note(place, place.ledger, owned)
    files.remove_file(place.journal, durable=place.durable)


def _note(place: Place, path: Path, owned: Mapping[PurePosixPath, Owned]) -> None:
    files.write_file(path, ledger_text(owned), place.ledger_mode, durable=place.durable)


def _write(place: Place, change: Change) -> None:
    if change.artifact is None:
        return
    path = place.root / change.path
    if change.backup:
        files.set_aside(path)
    files.write_file(path, change.artifact.content, change.artifact.mode, durable=place.durable)


def _delete(place: Place, change: Change) -> None:
    path = place.root / change.path
    if change.backup:
        files.set_aside(path)
    files.remove_file(path, durable=place.durable)
    if place.prunes:
        files.prune_folders(path.parent, place.root)


def refuse_unwritable(place: Place, decided: Sequence[Change], hint: str = "") -> None:
    """InputError with every folder that the changes need and this user cannot write."""
    touched = [item.path for item in decided if item.action in (*_WRITES, Action.DELETE)]
    files.refuse_unwritable([place.ledger, *(place.root / path for path in touched)], hint)


def _written(place: Place) -> dict[PurePosixPath, Owned]:
    return merged(read_ledger(place.ledger), read_ledger(place.journal))


def _below(root: Path, name: str) -> PurePosixPath:
    """A path as a person writes it: below the root, or with the root in front."""
    path = Path(name)
    return PurePosixPath(path.relative_to(root) if path.is_relative_to(root) else path)
