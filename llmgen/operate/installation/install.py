"""Install a tree: decide, show, then stop what goes, write, and restart what changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path, PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from llmgen.apply import files, generations
from llmgen.apply.changes import Change, Ways, entry, is_same
from llmgen.apply.failure import cannot_write
from llmgen.apply.write import (
    apply,
    decide,
    refuse_conflicts,
    refuse_moved,
    refuse_unwritable,
)
from llmgen.artifacts import Artifact
from llmgen.errors import Diagnostic, InputError, OwnershipError
from llmgen.operate.installation.private import forget, forgetting
from llmgen.operate.installation.steps import (
    AGAIN,
    KEEP_UP,
    LET_GO,
    Step,
    StepKind,
    after,
    before,
    once,
)
from llmgen.operate.installation.units import Impact, Unit
from llmgen.operate.managers.by_cron import begin, end, is_running, leave
from llmgen.operate.managers.containers import not_ready
from llmgen.operate.managers.crontab import kept_up
from llmgen.operate.managers.keepers import RuntimeSwitch, affected, switch
from llmgen.operate.managers.systemd import Systemd, no_manager
from llmgen.operate.programs import must, run
from llmgen.operate.site import Site
from llmgen.operate.stack_owner import forget_owner, note_owner

PENDING = "pending.json"
# Twice the time that launchd gives an agent between SIGTERM and SIGKILL (ExitTimeOut, 20 s).
BOOTOUT_SECONDS = 40
_WITHOUT = (
    "`--no-restart` changes files only, `llmgen install --cron` keeps the stack up without "
    "systemd, `llmgen up --foreground` needs no install"
)
_SAVED = b'{\n "format": 1,\n "changes":'
_BY_ROOT = "units of the system are installed by root: `sudo llmgen install`"


def nothing() -> None:
    """What is done where nothing has to be."""


class Doing(Struct, frozen=True):
    """What steps need that only the command knows.

    How to empty llama-swap, what cron is told, and of which llm.toml files the stack is.
    """

    drain: Callable[[], None]
    keep: Callable[[], None]
    stack: tuple[str, ...] = ()


class Installation(Struct, frozen=True):
    """What an install will do, in order: ``first``, then ``changes``, then ``then``.

    ``switch`` says that all services move to another runtime by it.
    """

    wanted: Mapping[PurePosixPath, Artifact]
    changes: tuple[Change, ...]
    first: tuple[Step, ...]
    then: tuple[Step, ...]
    affected: tuple[str, ...]
    switch: RuntimeSwitch | None = None

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do."""
        return is_same(list(self.changes)) and not self.affected


def prepare(
    site: Site,
    wanted: Mapping[PurePosixPath, Artifact],
    ways: Ways,
    *,
    start: bool = True,
    cron: Callable[[], bool] | None = None,
) -> Installation:
    """Decide everything; nothing is written or run.

    ``cron`` is given where it keeps the stack up, and tells whether it does so already.
    """
    decided = decide(site.place, wanted, ways)
    pending = [] if site.is_staged else _pending(site)
    kept = affected(site, wanted, decided, pending)
    known = {name: unit for item in kept for name, unit in item.known.items()}
    gone = tuple(name for item in kept for name in item.found.gone)
    lost = tuple(sorted({*pending} - {*known} - {*gone}))
    return Installation(
        wanted,
        tuple(decided),
        ()
        if site.is_staged
        else (
            *_let_go(known, cron, goes=not wanted),
            # Whatever leaves has ended before anything new is there: two stacks have no room.
            *once(
                step
                for item in kept
                for step in before(item.found, item.manager, drain=_drains(site, item.found))
            ),
            *forgetting(site, decided),
        ),
        ()
        if site.is_staged
        else (
            *once(step for item in kept for step in after(item.found, item.manager, start=start)),
            *_kept_up(decided, known, cron, goes=not wanted),
        ),
        (*(name for item in kept for name in item.found.names), *gone, *lost),
        None if site.is_staged else switch(site, wanted, decided),
    )


def _drains(site: Site, found: Impact) -> bool:
    """Whether a llama-swap that goes on reads a file that changes."""
    return any(unit.uses(site.layout.llama_swap) for unit in (*found.changed, *found.touched))


def _let_go(
    known: Mapping[str, Unit], cron: Callable[[], bool] | None, *, goes: bool
) -> Iterator[Step]:
    """Two of them would not have room for one stack: units take over from cron."""
    if cron is None and (known or goes) and kept_up():
        yield LET_GO


def _kept_up(
    decided: Sequence[Change],
    known: Mapping[str, Unit],
    cron: Callable[[], bool] | None,
    *,
    goes: bool,
) -> Iterator[Step]:
    if cron is not None and not cron():
        yield KEEP_UP
    if not known and not goes and not is_same([*decided]) and is_running():
        yield AGAIN


def perform(
    site: Site,
    found: Installation,
    *,
    reason: str,
    drain: Callable[[], None],
    keep: Callable[[], None] = nothing,
    restart: bool = True,
    stack: Sequence[str] = (),
) -> int | None:
    """Carry an installation out; the number of the new generation, None when nothing changed.

    What has to be restarted is noted before the files change, so that a run cut short between
    files and services is finished by the next one; so is one without ``restart``. ``stack`` are the
    llm.toml files whose stack it is from now on; without them it stays whose it was.
    """
    refuse_conflicts(site.place, found.changes)
    if not is_same(list(found.changes)):
        # Before anything is stopped.
        by_root = site.manager.privileged and not site.is_staged and site.uid != 0
        refuse_unwritable(site.place, found.changes, _BY_ROOT if by_root else "")
    if restart and (said := unmanaged(site, found)):
        raise InputError(said)
    # Where nothing is installed, an uninstall leaves no folder.
    with generations.alone(site.state) if _writes(site, found) else nullcontext():
        doing = Doing(drain, keep, tuple(stack))
        return _perform(site, found, reason, doing, restart=restart)


def _writes(site: Site, found: Installation) -> bool:
    return not found.is_done or site.state.is_dir()


def _perform(
    site: Site, found: Installation, reason: str, doing: Doing, *, restart: bool
) -> int | None:
    # Another llmgen may have been at it since the decision.
    refuse_moved(site.place, found.changes)
    if restart:
        _carry_out(site, found.first, doing)
    if not found.is_done:
        _note(site, found.affected)
    apply(site.place, found.changes)
    # Also when there was nothing to do: a run may have been cut short just before this.
    number = generations.record(site.state, found.wanted, reason)
    generations.prune(site.state)
    _note_whose(site, found, doing.stack)
    if restart:
        _carry_out(site, found.then, doing)
    if restart or site.is_staged:
        files.remove_file(site.state / PENDING)
    return number


def _note_whose(site: Site, found: Installation, stack: Sequence[str]) -> None:
    if site.is_staged:
        return
    if not found.wanted:
        forget_owner(site)
    elif kept := generations.generations(site.state):
        note_owner(site, stack, kept[-1].number)


def unmanaged(site: Site, found: Installation) -> Diagnostic | None:
    """What is said when nobody would carry out the steps; None when all is well.

    It is asked before anything is written.
    """
    steps = (*found.first, *found.then)
    quadlets = site.runtime == "quadlet" and bool(found.wanted) and bool(found.then)
    said = not_ready([step.words for step in steps], quadlets=quadlets)
    if said is not None:
        return replace(said, hint=f"{said.hint}; `--no-restart` changes files only")
    if not isinstance(site.manager, Systemd) or all(step.words[0] != "systemctl" for step in steps):
        return None
    asked = run(site.manager.show(()))
    said = None if asked.ok else no_manager(asked.errors)
    return replace(said, hint=_WITHOUT) if said else None


def _carry_out(site: Site, steps: Iterable[Step], doing: Doing) -> None:
    for step in steps:
        match step.kind:
            case StepKind.DRAIN:
                doing.drain()
            case StepKind.KEEP_UP:
                doing.keep()
            case StepKind.LET_GO:
                leave(site)
            case StepKind.AGAIN:
                end(site, (), stays=False)
                begin(site, ())
            case StepKind.FORGET:
                forget(Path(step.words[-1]))
            case StepKind.COMMAND if step.fails:
                must(step.words)
            case StepKind.COMMAND:
                run(step.words)
                _settle(step)


def _settle(step: Step) -> None:
    """Wait until an agent has left: launchd's bootout returns before, and refuses a bootstrap."""
    if step.words[:2] != ("launchctl", "bootout"):
        return
    end = time.monotonic() + BOOTOUT_SECONDS
    while time.monotonic() < end:
        if not run(("launchctl", "print", step.words[2]), seconds=30).ok:
            return
        time.sleep(0.2)


def _pending(site: Site) -> list[str]:
    try:
        names = json.loads((site.state / PENDING).read_bytes())
    except (FileNotFoundError, NotADirectoryError, PermissionError, ValueError):
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _note(site: Site, names: Sequence[str]) -> None:
    path = site.state / PENDING
    try:
        files.make_folder(path.parent)
        files.remove_file(files.temporary(path))
        files.write_file(path, json.dumps(sorted(names)).encode(), 0o600)
    except OSError as error:
        raise InputError(cannot_write(path, error)) from error


def saved(found: Installation) -> bytes:
    """An installation as a file, to be carried out later exactly so or not at all."""
    document = {"format": 1, "changes": [_row(item) for item in found.changes]}
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def refuse_other(path: Path) -> None:
    """OwnershipError when something else than an earlier plan would be replaced."""
    try:
        text = path.read_bytes() if path.is_file() else b""
    except OSError:
        # Whether it can be written is said where it is.
        return
    if text and not text.startswith(_SAVED):
        raise OwnershipError(
            Diagnostic(
                "write.exists",
                f"`{path}` is there, and it is no saved plan",
                hint="`-o FILE` names another file",
            )
        )


def refuse_stale(found: Installation, path: Path) -> None:
    """OwnershipError when the disk or llm.toml is no longer what the saved plan saw."""
    try:
        wanted = json.loads(path.read_bytes())["changes"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            Diagnostic(
                "operate.bad-plan",
                f"`{path}` is no saved plan: {error}",
                hint="`llmgen install --dry-run -o FILE` makes one",
            )
        ) from error
    now = [_row(item) for item in found.changes]
    if now == wanted:
        return
    differing = sorted(
        {row["path"] for row in (*now, *wanted) if row not in now or row not in wanted}
    )
    raise OwnershipError(
        [
            Diagnostic(
                "operate.plan-stale",
                f"`{name}` is no longer as the plan in `{path}` saw it",
                hint=f"make a new one: `llmgen install --dry-run -o {path}`",
            )
            for name in differing
        ]
    )


def _row(change: Change) -> dict[str, str | None]:
    seen = change.before
    coming = entry(change.artifact) if change.artifact else None
    return {
        "action": change.action.value,
        "path": str(change.path),
        "before": f"{seen.digest}:{seen.mode:04o}" if seen else None,
        "after": f"{coming.digest}:{coming.mode:04o}" if coming else None,
    }
