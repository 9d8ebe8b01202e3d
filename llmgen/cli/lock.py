"""``llmgen lock``: read the facts of every model into llm.lock."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import LOCK, Read, read_whole
from llmgen.cli.printable import printable
from llmgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmgen.errors import Diagnostic
    from llmgen.facts.gguf_facts import ModelRef
    from llmgen.facts.lock_models import LockResult
    from llmgen.facts.sources import Sources


@command(short_help="read model facts into llm.lock")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--update", is_flag=True, help="Take what has changed on the Hub.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when the lock would change.")
@click.option("--models", "folder", metavar="DIR", help="Look here instead of in [paths] models.")
def cli(
    session: Session, models: tuple[str, ...], folder: str | None, *, update: bool, check: bool
) -> Outcome:
    """Read the header of every model of llm.toml (or only of the named ones) into llm.lock.

    Local files are read again every time. A model of the Hub keeps the commit that is locked, and
    its files must not have changed upstream, unless --update is given. Weights are not downloaded:
    a few MiB of each file say it all. What cannot be read is named (exit 4); the others are locked
    all the same.
    """
    from msgspec.structs import replace

    from llmgen.facts.lock import read_settled, write_lock
    from llmgen.facts.lock_models import lock_models
    from llmgen.resolve.references import references

    found = read_whole(session)
    path = found.folder / LOCK
    keys = references(found.config)
    old = read_settled(path)
    wanted = selected(found, models)
    with _spinner() as watch:
        result = lock_models(
            (ref for ref in keys if ref in wanted or ref in old.entries),
            sources(found, folder),
            old,
            update=update,
            only=wanted,
            watch=watch,
            keys=keys,
        )
    # What was measured of a model that is no longer served says nothing.
    runs = {name: run for name, run in old.runs.items() if name in found.config.models}
    new = replace(result.lock, runs=runs)
    failed = [_elsewhere(item) for item in result.failed] if found.config.hosts else result.failed
    if not check and (new.entries or not result.failed):
        write_lock(path, new)
    same = new == old
    return Outcome(
        {"lock": str(path), "changed": not same, "models": list(_rows(result))},
        said=_said(result),
        ok=same or not check,
        diagnostics=found.placed((*failed, *result.notes)),
        exit_code=InputError.exit_code if result.failed else None,
    )


def _elsewhere(item: Diagnostic) -> Diagnostic:
    """The same of several machines: the file may be on one of the others."""
    from msgspec.structs import replace

    if item.code != "facts.missing":
        return item
    noted = "on another host alone: `llmgen lock` there, with this llm.toml and llm.lock, adds it"
    return replace(item, notes=(*item.notes, noted))


def selected(found: Read, models: Sequence[str]) -> set[ModelRef]:
    """The references of the named models, of all enabled ones without a name."""
    from llmgen.resolve.references import references_of

    tables = found.config.models
    for name in models:
        if name not in tables:
            near = difflib.get_close_matches(name, tables, 1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise click.UsageError(f"llm.toml has no model `{name}`{hint}")
    names = models or [name for name, table in tables.items() if table.enable]
    return references_of(found.config, names)


def sources(found: Read, folder: str | None) -> Sources:
    """Where references are looked up on this machine; ``folder`` stands in for [paths] models."""
    from llmgen.facts.sources import Sources
    from llmgen.facts.stores import find_stores

    paths = found.config.paths
    home = Path(paths.home) if paths.home else Path.home()
    models = folder or paths.models
    below = home / models[2:] if models.startswith("~/") else Path(models)
    return Sources(below, home, find_stores(home))


@contextmanager
def _spinner() -> Iterator[Callable[[ModelRef], None] | None]:
    """What is being read, while it takes long, on a terminal only."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with console.status("") as status:
        yield lambda ref: status.update(escape(printable(f"reading {ref}")))


def _rows(result: LockResult) -> Iterator[dict[str, object]]:
    for ref, step in sorted(result.steps.items()):
        entry = result.lock.entries.get(ref)
        yield {
            "ref": ref,
            "step": step,
            "architecture": entry.facts.architecture if entry else "",
            "files": [file.name for file in entry.facts.files] if entry else [],
            "size_bytes": entry.facts.size_bytes if entry else 0,
            "revision": entry.revision if entry else "",
        }


def _said(result: LockResult) -> str:
    counts = Counter(result.steps.values())
    return ", ".join(f"{count} {step}" for step, count in sorted(counts.items())) or "no models"
