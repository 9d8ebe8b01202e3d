"""``llmgen models gc`` and ``verify``: the files of the models on this machine's disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import LOCK, Read, read, read_lock
from llmgen.errors import Diagnostic, InputError
from llmgen.units import show_size

if TYPE_CHECKING:
    from llmgen.config.config import Config
    from llmgen.facts.gguf_facts import GgufFacts, ModelRef
    from llmgen.facts.intact import CheckedFile


def gc(session: Session, *, delete: bool) -> Outcome:
    """List model files below the models folder that llm.toml does not name, and broken links.

    `--delete` deletes those that `llmgen pull` downloaded, after the list; what anybody else put
    there stays.
    """
    from llmgen.facts.downloads import downloaded, is_downloaded, note_downloads
    from llmgen.facts.lock import read_lock as read_any_lock
    from llmgen.layout import layout
    from llmgen.models.inventory import unneeded

    found = read(session)
    places = layout(found.config.paths, found.config.services.scope)
    folder = models_folder(found.config)
    facts = read_any_lock(found.folder / LOCK).facts
    _require_facts(found, facts)
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.gguf"))}
    broken = [name for name, path in files.items() if path.is_symlink() and not path.exists()]
    whole = [name for name in files if name not in broken]
    listed = [*broken, *unneeded(found.config, facts, whole, places)]
    noted = downloaded(folder)
    own = [name for name in listed if is_downloaded(folder, name, noted)]
    sizes = {name: 0 if name in broken else files[name].lstat().st_size for name in listed}
    text = "".join(
        f"{show_size(size):>9}  {name}{'' if name in own else '  (not downloaded by llmgen)'}\n"
        for name, size in sizes.items()
    )
    if delete:
        if not session.json:
            click.echo(text, nl=False)
        for name in own:
            files[name].unlink()
        note_downloads(folder, {}, gone=own) if own else None
    verb = "deleted" if delete else "`--delete` would delete"
    stay = len(listed) - len(own)
    said = f"{verb} {len(own)} files, {show_size(sum(sizes[name] for name in own))}"
    if stay:
        said += f"; {stay} that llmgen did not download stay: remove them by hand"
    data = {"files": sizes, "downloaded": own, "deleted": own if delete else []}
    return Outcome(data, text="" if delete else text, said=said)


def verify(session: Session, models: tuple[str, ...], *, quick: bool) -> Outcome:
    """Compare the files of the models (or of the named ones) with llm.lock.

    Digests where the lock has them, else sizes and headers. Exits with 1 when a file is another one
    or is not there.
    """
    from llmgen.cli.lock import selected, sources
    from llmgen.cli.pull import bars
    from llmgen.facts.intact import Condition, verified

    found = read(session)
    wanted = selected(found, models)
    entries = {ref: entry for ref, entry in read_lock(found).entries.items() if ref in wanted}
    missing = [*_not_locked(found, entries, wanted)]
    if missing:
        raise found.located(InputError(missing))
    with bars() as watch:
        rows = [*verified(entries, sources(found, None), watch, quick=quick)]
    wrong = [row for row in rows if row.condition in (Condition.CHANGED, Condition.ABSENT)]
    return Outcome(
        {"files": rows},
        text="".join(f"{row.condition:13}  {row.name}{_why(row)}\n" for row in rows),
        said=f"{len(rows) - len(wrong)} of {len(rows)} files are as llm.lock says",
        ok=not wrong,
        diagnostics=tuple(_wrong(row) for row in wrong),
    )


def _why(row: CheckedFile) -> str:
    return f"  ({row.detail})" if row.detail else ""


def _wrong(row: CheckedFile) -> Diagnostic:
    what = f"is another file than llm.lock's: {row.detail}" if row.detail else "is not there"
    hint = (
        "`llmgen pull` fetches what the Hub has; a file of your own: put it back, or `llmgen lock`"
    )
    return Diagnostic("models.not-intact", f"`{row.name}` {what}", hint=hint)


def _not_locked(
    found: Read, entries: Mapping[ModelRef, object], wanted: set[ModelRef]
) -> Iterator[Diagnostic]:
    from llmgen.resolve.references import references

    for ref, key in references(found.config).items():
        if ref in wanted and ref not in entries:
            what = f"{LOCK} has no facts of `{ref}`"
            yield Diagnostic("lock.missing", what, key, hint="run `llmgen lock`")


def _require_facts(found: Read, facts: Mapping[ModelRef, GgufFacts]) -> None:
    """Refuse where only the lock could tell which files a model of the Hub has."""
    from llmgen.resolve.references import references

    unknown = [
        Diagnostic("lock.missing", f"{LOCK} does not say which files `{ref}` has", key,
                   hint="run `llmgen lock`")
        for ref, key in references(found.config).items()
        if ref.startswith("hf:") and ref not in facts
    ]  # fmt: skip
    if unknown:
        raise found.located(InputError(unknown))


def models_folder(config: Config) -> Path:
    """Where [paths] models is on this machine."""
    from llmgen.layout import layout

    return Path(layout(config.paths, config.services.scope).models)
