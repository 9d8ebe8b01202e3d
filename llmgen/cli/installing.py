"""What install, rollback and uninstall share: options, showing a prepared change, doing it."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from msgspec import Struct

from llmgen.cli.asking import drain_own
from llmgen.cli.from_afar import config_names, has_its_copy
from llmgen.cli.options import FileNameParam
from llmgen.cli.outcome import Outcome, plain
from llmgen.cli.writing import counts, rows, ways_out

if TYPE_CHECKING:
    from llmgen.apply.changes import Ways
    from llmgen.artifacts import Artifact
    from llmgen.cli.boundary import Session
    from llmgen.cli.pipeline import Read
    from llmgen.errors import Diagnostic
    from llmgen.layout import Layout
    from llmgen.operate.installation.install import Installation
    from llmgen.operate.installation.steps import Step
    from llmgen.operate.site import Site
    from llmgen.plan.plan import Plan


Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Manner(Struct, frozen=True):
    """How a prepared change is carried out: below which root, which conflicts are settled how."""

    ways: Ways
    root: str | None = None
    dry_run: bool = False
    restart: bool = True


def manner(function: Decorated) -> Decorated:
    """The options of everything that changes an installation, given to it as one ``Manner``."""

    @functools.wraps(function)
    def call(
        session: Session,
        *,
        root: str | None,
        dry_run: bool,
        no_restart: bool,
        overwrite: tuple[str, ...],
        adopt: bool,
        backup: bool,
        **options: Any,  # noqa: ANN401 - the command's own
    ) -> Outcome:
        from llmgen.apply.changes import Ways

        chosen_files = frozenset(below(name, root) for name in overwrite)
        ways = Ways(adopt=adopt, overwrite=chosen_files, backup=backup)
        chosen = Manner(ways, root, dry_run, not no_restart)
        outcome: Outcome = function(session, manner=chosen, **options)
        return outcome

    called = ways_out(call)
    for option in (
        click.option(
            "--root",
            type=FileNameParam(),
            metavar="DIR",
            help="Work below DIR instead of /; start and stop nothing.",
        ),
        click.option("--no-restart", is_flag=True, help="Files only; print what is left to run."),
        click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing."),
    ):
        called = option(called)
    return cast("Decorated", called)


def below(name: str, root: str | None) -> PurePosixPath:
    """A path of this machine, or below the root, as the ledger writes it."""
    path = Path(name).absolute()
    base = Path(root or "/").absolute()
    found = path.relative_to(base) if path.is_relative_to(base) else path.relative_to("/")
    return PurePosixPath(found)


def wanted_tree(
    found: Read, placed: Plan, session: Session, lock: bytes | None = None
) -> list[Artifact]:
    """Everything that install puts in place: what is rendered, and what llmgen reads there.

    ``lock`` is what llm.lock will say, where it does not yet.
    """
    from llmgen.cli.pipeline import LOCK, renderer, tree
    from llmgen.operate.installation.own_copy import kept
    from llmgen.operate.managers.metrics_timer import metrics_timer
    from llmgen.operate.managers.sync_timer import timer

    rendered = [*tree(found, placed, session)]
    configs = _configs(found, placed.library.layout)
    render = renderer(session)
    if found.config.sync is not None:
        rendered += timer(placed, configs, render)
    rendered += metrics_timer(placed, configs, render)
    of_guard = found.config.guard.enable or found.config.guard.gate
    if not (of_guard or has_its_copy(found, placed.library.layout)):
        return rendered
    read = (found.folder / LOCK).read_bytes() if lock is None else lock
    return [*rendered, *kept(found.sources, read, placed.library.layout)]


def prepared_for(
    found: Read, here: Site, tree: Iterable[Artifact], ways: Ways, *, cron: bool
) -> tuple[Installation, Callable[[], None] | None]:
    """The installation of a tree; with ``cron`` also what writes the lines that keep it up."""
    from llmgen.operate.installation.checks import refuse_containers
    from llmgen.operate.installation.install import prepare
    from llmgen.operate.managers.crontab import Timed, is_kept_up, keep_up, without_units
    from llmgen.operate.managers.metrics_timer import is_of_metrics, textfile
    from llmgen.operate.managers.sync_timer import is_of_timer, stores_told
    from llmgen.operate.site import installed

    # Below another root they would look for llm.toml where it is here.
    left_out = (is_of_timer, is_of_metrics) if here.is_staged else ()
    wanted = installed(item for item in tree if not any(is_one(item) for is_one in left_out))
    if not cron:
        return prepare(here, wanted, ways), None
    refuse_containers(here)
    guard = found.config.guard.interval if found.config.guard.enable else 0
    sync = found.config.sync.interval if found.config.sync else None
    figures = textfile(found.config, here.layout)
    timed = Timed(guard, sync or 0, stores_told(), str(figures) if figures else "")
    is_kept = functools.partial(is_kept_up, here.layout, _configs(found, here.layout), timed)
    prepared = prepare(here, without_units(wanted, here.folder), ways, cron=is_kept)
    return prepared, functools.partial(keep_up, here.layout, _configs(found, here.layout), timed)


def timer_notes(found: Read, here: Site) -> tuple[Diagnostic, ...]:
    """What is said of the timer of [sync]; InputError when it may not be."""
    from llmgen.errors import InputError
    from llmgen.operate.managers.sync_timer import NOT_STAGED, refuse_open_files

    if found.config.sync is None or found.config.sync.interval is None:
        return ()
    if here.is_staged:
        return found.placed([NOT_STAGED])
    try:
        refuse_open_files(here, _configs(found, here.layout))
    except InputError as error:
        raise found.located(error) from None
    return ()


def _configs(found: Read, place: Layout) -> list[Path]:
    return [Path(name) for name in config_names(found, place)]


def carry_out(
    found: Read,
    here: Site,
    prepared: Installation,
    manner: Manner,
    reason: str,
    *,
    keep: Callable[[], None] | None = None,
    stack: tuple[str, ...] = (),
) -> Outcome:
    """Show a prepared change, or do it; ``stack`` says whose it is from now on."""
    from msgspec.structs import replace

    from llmgen.apply.write import refuse_conflicts
    from llmgen.errors import Severity
    from llmgen.operate.installation.install import nothing, perform, unmanaged

    refuse_conflicts(here.place, prepared.changes)
    steps = [*prepared.first, *prepared.then]
    data = {
        "root": str(here.root),
        "changes": rows(prepared.changes),
        "steps": [*_rows(prepared)],
        "switch": plain(prepared.switch) if prepared.switch else None,
        "privileged": bool(here.layout.scope == "system" and not here.is_staged),
    }
    remarks = _remarks(found, here, prepared)
    if manner.dry_run:
        if manner.restart and (nobody := unmanaged(here, prepared)):
            remarks = (replace(nobody, severity=Severity.WARNING), *remarks)
        return Outcome(data, text=_planned(here, prepared), diagnostics=remarks)
    number = perform(
        here,
        prepared,
        reason=reason,
        drain=lambda: drain_own(found),
        keep=keep or nothing,
        restart=manner.restart,
        stack=stack,
    )
    left = "" if manner.restart else "".join(f"{_line(step)}\n" for step in steps)
    said = counts(prepared.changes)
    if number is not None:
        said = f"generation {number}: {said}"
    return Outcome({**data, "generation": number}, text=left, said=said, diagnostics=remarks)


def _rows(prepared: Installation) -> Iterator[dict[str, Any]]:
    """The commands in order, and whether each is run before or after the files change."""
    for when, steps in (("before", prepared.first), ("after", prepared.then)):
        for step in steps:
            yield {"command": list(step.words), "why": step.why, "when": when}


def _remarks(found: Read, here: Site, prepared: Installation) -> tuple[Diagnostic, ...]:
    from llmgen.operate.installation.checks import remarks, switching
    from llmgen.operate.installation.units import units

    known = units(prepared.wanted.values(), here.folder).values()
    said = remarks(here, found.config.services, known) if known else ()
    return (*switching(prepared.switch), *said)


def _planned(here: Site, prepared: Installation) -> str:
    """The plan as text, in order: what runs first, files with their action, what runs then."""
    lines = [
        *(_run(step) for step in prepared.first),
        *(f"{row['action']:8} {here.root / row['path']}" for row in rows(prepared.changes)),
        *(_run(step) for step in prepared.then),
    ]
    return "".join(f"{line}\n" for line in lines) or "nothing to do\n"


def _run(step: Step) -> str:
    return f"run      {_line(step)}  # {step.why}"


def _line(step: Step) -> str:
    import os

    sudo = "sudo " if step.privileged and os.geteuid() != 0 else ""
    return sudo + shlex.join(step.words)
