"""The machine's own settings: put in place by root when asked, and taken away again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from msgspec import Struct

from llmgen.apply.changes import Action, Change, Ways
from llmgen.apply.ledger import merged, read_ledger
from llmgen.apply.snapshot import Place
from llmgen.apply.write import apply, decide, refuse_conflicts, refuse_moved
from llmgen.artifacts import Artifact
from llmgen.errors import Diagnostic, InputError, Severity
from llmgen.operate.installation.privilege import as_root
from llmgen.operate.programs import run
from llmgen.operate.site import SYSTEM_STATE
from llmgen.targets.host.files import HostFile
from llmgen.targets.host.system_files import SYSTEM_FILES, SystemCommand, SystemFile

# The machine's settings are root's, whoever has the stack: their list is no installation's.
STATE = SYSTEM_STATE / "host"
_NAME = "host"
_GOES = (Action.DELETE, Action.FORGET)
_COMES = (Action.CREATE, Action.UPDATE, Action.ADOPT)
_RELEASED = (Action.DELETE, Action.UPDATE)


class HostSettings(Struct, frozen=True):
    """What will be done, in order: ``first``, ``changes``, ``then``; and what people should know.

    ``effects`` says of files when they count, where that is not at once; ``stays`` what is left of
    those that go.
    """

    changes: tuple[Change, ...]
    first: tuple[SystemCommand, ...] = ()
    then: tuple[SystemCommand, ...] = ()
    effects: tuple[tuple[PurePosixPath, str], ...] = ()
    stays: tuple[tuple[PurePosixPath, str], ...] = ()


def place_of(root: str | None) -> Place:
    """Where they are written: the machine, or a folder that stands for it."""
    base = Path(root).absolute() if root else Path("/")
    ledger = base / STATE.relative_to("/") / "ledger.json"
    return Place(base, ledger, 0o600, exact_modes=True, links=True, prunes=False)


def is_there(place: Place) -> bool:
    """Whether any are in place, as far as this user may see."""
    try:
        return place.ledger.exists() or place.journal.exists()
    except PermissionError:
        return False


def written(place: Place) -> frozenset[PurePosixPath]:
    """The paths that were written, below the root; InputError where root alone may know."""
    return frozenset(merged(read_ledger(place.ledger), read_ledger(place.journal)))


def prepare(place: Place, wanted: Iterable[HostFile], ways: Ways) -> HostSettings:
    """Decide everything; nothing is written or run. Nothing wanted takes all of them away."""
    artifacts = {
        _below(item.kind.place): Artifact(_below(item.kind.place), item.content, _NAME)
        for item in wanted
        if item.kind.place.is_absolute()
    }
    decided = decide(place, artifacts, ways)
    coming, going = [*_kinds(decided, _COMES)], [*_kinds(decided, _GOES)]
    return HostSettings(
        tuple(decided),
        first=tuple(
            words for kind in reversed([*_kinds(decided, _RELEASED)]) for words in kind.release
        ),
        then=tuple(
            dict.fromkeys(
                [
                    *(words for kind in going for words in kind.restore),
                    *(words for kind in coming for words in kind.apply),
                ]
            )
        ),
        effects=tuple((kind.place, kind.effect) for kind in coming if kind.effect),
        stays=tuple((kind.place, kind.stays) for kind in going if kind.stays),
    )


def perform(place: Place, found: HostSettings) -> list[Diagnostic]:
    """Carry it out; a warning for each command that failed, since its file counts at a boot.

    OwnershipError, with nothing done, where a file is not ours or was edited. Below another root
    files are written, and nothing is run.
    """
    refuse_conflicts(place, found.changes)
    is_staged = place.root != Path("/")
    refuse_moved(place, found.changes)
    said = [] if is_staged else [*_run(found.first)]
    apply(place, found.changes)
    for kind in _kinds(found.changes, _GOES):
        if kind.own_folder:
            _remove_empty((place.root / _below(kind.place)).parent)
    _clear(place)
    return said if is_staged else [*said, *_run(found.then)]


def refuse_user(place: Place, uid: int) -> None:
    """InputError where somebody else than root would change the machine."""
    if place.root == Path("/") and uid != 0:
        raise InputError(
            Diagnostic(
                "host.not-root",
                "settings of the machine are put in place by root",
                hint=f"{as_root('llmgen host --install')}; `--dry-run` shows what it would do",
            )
        )


def _run(commands: Iterable[SystemCommand]) -> Iterator[Diagnostic]:
    for words in commands:
        done = run(words, seconds=60)
        if not done.ok:
            why = (done.errors or done.output).strip().splitlines()
            yield Diagnostic(
                "host.not-applied",
                f"`{' '.join(words)}` failed: {why[-1] if why else 'it said nothing'}",
                hint="the files are as they should be, and count after a reboot",
                severity=Severity.WARNING,
            )


def _clear(place: Place) -> None:
    """Leave no list of nothing."""
    if written(place):
        return
    place.ledger.unlink(missing_ok=True)
    _remove_empty(place.ledger.parent)


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _kinds(decided: Iterable[Change], actions: tuple[Action, ...]) -> Iterator[SystemFile]:
    """The kinds of the files to which that happens, in the order in which they count."""
    paths = {item.path for item in decided if item.action in actions}
    yield from (kind for kind in SYSTEM_FILES if _below(kind.place) in paths)


def _below(place: PurePosixPath) -> PurePosixPath:
    return place.relative_to("/") if place.is_absolute() else place
