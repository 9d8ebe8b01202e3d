"""``llmgen sync``: llm.toml follows the models that are on this machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import read
from llmgen.cli.syncing import Synced, alone, generated, rules_of, synced, write
from llmgen.errors import Diagnostic, PlanError, Severity

if TYPE_CHECKING:
    from llmgen.apply.changes import Change
    from llmgen.sync.reporting import SyncRow


@command(short_help="let llm.toml follow the models that are here")
@click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")
def cli(session: Session, *, dry_run: bool) -> Outcome:
    """Add the models of this machine to llm.toml as its [sync] says, and take gone ones out.

    Then llm.lock, generated/ and what is installed follow, where something changed. Only tables
    that sync wrote are changed or removed; one that you edit is yours. A file that is still being
    written is left for next time, and a model that does not fit is left out and named (exit 5).
    """
    from llmgen.cli.sync_install import following

    found = read(session)
    if found.sources[0].name.startswith("<"):
        raise click.UsageError("standard input cannot be edited; name a file with -c")
    with alone(found):
        done = synced(found)
        decided, root = generated(session, done)
        follow = following(session, done)
        if not dry_run:
            write(done, decided, root)
        installed = follow(dry_run)
    return _outcome(done, decided, installed, dry_run=dry_run)


def _outcome(
    done: Synced, decided: Sequence[Change], installed: Outcome, *, dry_run: bool
) -> Outcome:
    from llmgen.cli.writing import counts
    from llmgen.cli.writing import rows as files
    from llmgen.sync.reporting import rows

    told = rows(
        done.mine,
        done.decision,
        done.looked,
        tables=done.tables,
        refused=done.refused,
        failed=done.result.failed,
        before=done.before.entries,
        now=done.lock.entries,
    )
    data = {
        "models": told,
        "llm_toml": {"path": done.found.sources[0].name, "changed": _is_other(done)},
        "lock_changed": done.lock != done.before,
        "generated": files(decided),
        "installed": installed.data,
        "dry_run": dry_run,
    }
    # Which files are others now is among the rows.
    notes = [item for item in done.result.notes if item.code != "lock.changed"]
    told_at = [*_refused(done), *_absent(done), *notes]
    text = "".join(f"{line}\n" for line in _lines(told)) + str(installed.text)
    said = _said(done, told, dry_run=dry_run)
    if files(decided) and not dry_run:
        said += f"\ngenerated/: {counts(decided)}"
    return Outcome(
        data,
        text=text,
        said="\n".join(filter(None, (said, installed.said))),
        diagnostics=(*done.found.placed(told_at), *installed.diagnostics),
        exit_code=PlanError.exit_code if done.refused else None,
    )


def _is_other(done: Synced) -> bool:
    return done.text != done.found.sources[0].text


def _lines(told: Sequence[SyncRow]) -> Iterator[str]:
    from llmgen.sync.reporting import STATES

    widest = max((len(STATES[row.state]) for row in told), default=0)
    longest = max((len(row.name) for row in told), default=0)
    for row in told:
        words = (*row.details, row.ref) if row.state == "added" else row.details
        details = ", ".join(words)
        yield f"{STATES[row.state]:{widest}}  {row.name:{longest}}  {details}".rstrip()


def _said(done: Synced, told: Sequence[SyncRow], *, dry_run: bool) -> str:
    from llmgen.sync.reporting import STATES

    counts = Counter(row.state for row in told)
    found = [f"{counts[state]} {words}" for state, words in STATES.items() if counts[state]]
    own = len(done.tables)
    models = f"{own} {'model' if own == 1 else 'models'} of sync in `{done.found.sources[0].name}`"
    if not found and not _is_other(done) and done.lock == done.before:
        return f"{models}; nothing changed"
    anew = "their tables in another order" if _is_other(done) else "llm.lock read anew"
    return f"{models}: {', '.join(found) or anew}{' (dry run)' if dry_run else ''}"


def _absent(done: Synced) -> Iterator[Diagnostic]:
    """Folders of [sync] that are none here: another disk's, or misspelt."""
    from llmgen.cli.lock import sources
    from llmgen.facts.sources import local_path

    places = sources(done.found, None)
    for number, name in enumerate(rules_of(done.found).folders):
        if not local_path(name, places).is_dir():
            yield Diagnostic(
                "sync.no-folder",
                f"there is no folder `{name}`; the models that came from it stay",
                ("sync", "folders", number),
                hint="mount it, or write another one",
                severity=Severity.WARNING,
            )


def _refused(done: Synced) -> Iterator[Diagnostic]:
    """Why models are left out, and what would let them in or silence them."""
    from llmgen.sync.rules import pattern_of

    for name, error in done.refused.items():
        first, ref = error.diagnostics[0], done.decision.refs[name]
        pattern = pattern_of(next(item.label for item in done.looked.candidates if item.ref == ref))
        yield Diagnostic(
            "sync.no-room",
            f"`{name}` is left out: {first.message}",
            ("sync",),
            hint=f"`exclude = {pattern}` in [sync] leaves it out for good; with keys for it in "
            f"[sync.options.{pattern[1:-1]}] it may fit",
            notes=(f"of its plan: {first.hint}",) if first.hint else (),
            severity=Severity.ERROR,
        )
