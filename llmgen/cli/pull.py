"""``llmgen pull``: download what llm.lock names, and check it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.lock import selected, sources
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import Read, read, read_lock
from llmgen.cli.printable import printable
from llmgen.errors import Diagnostic, InputError, Severity

if TYPE_CHECKING:
    from llmgen.facts.download import DownloadProgress
    from llmgen.facts.gguf_facts import ModelFile, ModelRef
    from llmgen.facts.lock import Entry
    from llmgen.facts.pull import ProgressWatch, Pulled


@command(short_help="download what llm.lock names")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--models", "folder", metavar="DIR", help="Put files here, not in [paths] models.")
@click.option("--trust-size", is_flag=True, help="Do not read files again that have their size.")
@on_hosts(ShownRows("files", ("name", "presence")), minutes=24 * 60, here_only=("folder",))
def cli(
    session: Session, models: tuple[str, ...], folder: str | None, *, trust_size: bool
) -> Outcome:
    """Download the files of every model from the Hub (or only of the named models).

    Files that are there are checked against the lock's digests; another file in the way is
    refused and stays. What was interrupted goes on where it stopped.
    """
    from llmgen.facts.pull import Presence, pull

    found = read(session)
    wanted = selected(found, models)
    entries = _locked(found, wanted)
    with bars() as watch:
        pulled = pull(entries, sources(found, folder), watch, trust_size=trust_size)
    counts = Counter(item.presence for item in pulled)
    return Outcome(
        {"files": pulled},
        said=", ".join(f"{count} {presence}" for presence, count in sorted(counts.items())),
        ok=not counts[Presence.ABSENT],
        diagnostics=tuple(_absent(pulled)),
    )


def _locked(found: Read, wanted: set[ModelRef]) -> dict[ModelRef, Entry]:
    from llmgen.resolve.references import references

    entries = read_lock(found).entries
    missing = [
        Diagnostic(
            "lock.missing", f"llm.lock has no facts of `{ref}`", key, hint="run `llmgen lock`"
        )
        for ref, key in references(found.config).items()
        if ref in wanted and ref not in entries
    ]
    if missing:
        raise found.located(InputError(missing))
    return {ref: entry for ref, entry in entries.items() if ref in wanted}


def _absent(pulled: tuple[Pulled, ...]) -> Iterator[Diagnostic]:
    for item in pulled:
        if item.presence == "absent":
            yield Diagnostic(
                "pull.absent",
                f"`{item.name}` is not here, and llm.toml does not say where to get it",
                hint="put it there, or name its repository with `hf_repo`",
                severity=Severity.WARNING,
            )


@contextmanager
def bars() -> Iterator[ProgressWatch]:
    """A bar for each file, on a terminal only."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _verb, _file: lambda _done, _size: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bars:

        def watch(verb: str, file: ModelFile) -> DownloadProgress:
            task = bars.add_task(printable(f"{verb} {file.name}"), total=file.size_bytes)
            return lambda done, size: bars.update(task, completed=done, total=size)

        yield watch
