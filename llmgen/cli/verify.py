"""``llmgen verify``: compare the plan's memory with the user's own llama-fit-params."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import Struct
from msgspec.structs import replace

from llmgen.apply.failure import cannot_write
from llmgen.budget.beside.measurements import settings_digest
from llmgen.cli.boundary import Session, command
from llmgen.cli.others import refuse_others
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import LOCK, library, plan, read, read_lock
from llmgen.errors import Diagnostic, InputError
from llmgen.facts.lock import write_lock
from llmgen.facts.lock_model import Lock, Measured
from llmgen.facts.rebuild import rebuild
from llmgen.verify.comparison import Difference, compare, seen_by_program
from llmgen.verify.program import PROGRAM, figures
from llmgen.verify.program import command as words

if TYPE_CHECKING:
    from llmgen.budget.memory import DeviceMemory
    from llmgen.plan.plan import Placement

_SECONDS = 120


class VerifiedModel(Struct, frozen=True):
    """One model: whether its own file was read, and our figures beside the program's."""

    name: str
    from_file: bool
    devices: tuple[Difference, ...]


@command(short_help="compare the plan's memory with llama-fit-params")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--program", metavar="FILE", help=f"{PROGRAM}, where it is not on PATH.")
@click.option("--record", is_flag=True, help="Write what differs into llm.lock.")
def cli(session: Session, models: tuple[str, ...], program: str | None, *, record: bool) -> Outcome:
    """Run llama-fit-params for every model of the plan and compare device by device.

    A model that is not downloaded yet is stood in for by an empty file with its locked header. The
    program loads nothing and rounds down to MiB. Exit 1 when a figure differs.
    """
    found = read(session)
    placed = plan(found)
    unknown = set(models) - {item.name for item in placed.placements}
    if unknown:
        raise click.UsageError(f"no model is called `{min(unknown)}`")
    asked = [
        item
        for item in placed.placements
        if item.model.is_llama and (not models or item.name in models)
    ]
    refuse_others(placed.library.models, models, "llama-fit-params knows GGUF models alone")
    if not asked:
        return Outcome((), said="no model of llm.toml is llama-server's: nothing to compare")
    tool = _program(program, str(library(found).layout.llama_server))
    names = [device.name for device in placed.library.machine.devices]
    seen = tuple(_verified(item, placed.library.build, tool, names) for item in asked)
    said = ""
    if record:
        lock = _recorded(read_lock(found), asked, seen, placed.library.build)
        said = f"`{LOCK}` {'written' if write_lock(found.folder / LOCK, lock) else 'unchanged'}"
    same = not any(device.differs for item in seen for device in item.devices)
    return Outcome(seen, text=lambda: _print(seen), said=said, ok=same)


def _program(named: str | None, server: str) -> str:
    """The named one, the one beside llama-server, or the one on PATH."""
    beside = str(Path(server).with_name(PROGRAM))
    for candidate in (named,) if named else (beside, PROGRAM):
        path = shutil.which(candidate) if candidate else None
        if path:
            return path
    raise InputError(
        Diagnostic(
            "verify.no-program",
            f"there is no `{named or PROGRAM}` on this machine",
            hint="name it with `--program`; it is built with llama-server",
        )
    )


def _verified(item: Placement, build: int, tool: str, names: Sequence[str]) -> VerifiedModel:
    path, devices = Path(item.model.path), len(item.settings.devices)
    asked = seen_by_program(item.settings, devices)
    again = shlex.join(words(tool, str(path), asked, names))
    with _folder() as folder:
        here = path if path.is_file() else _stand_in(item, folder)
        # The stand-in is gone afterwards.
        hint = f"try it: {again}" if here == path else f"try it when the model is here: {again}"
        printed = _run(words(tool, str(here), asked, names), item, hint)
    theirs = figures(printed)
    if not theirs:
        raise InputError(
            Diagnostic(
                "verify.no-figures",
                f"`{tool}` printed no figures for `{item.name}`",
                hint="it must know `-fitp`: llama.cpp b9251 or newer",
            )
        )
    found = compare(item.model.facts, item.settings, build, theirs)
    return VerifiedModel(item.name, path.is_file(), found)


@contextmanager
def _folder() -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="llmgen-")
    except OSError as error:
        raise InputError(_no_room(tempfile.gettempdir(), error)) from error
    with folder as name:
        yield Path(name)


def _stand_in(item: Placement, folder: Path) -> Path:
    """A file of the model's size that takes no room on the disk."""
    (head, size), path = rebuild(item.model.facts), folder / "header.gguf"
    try:
        with path.open("wb") as file:
            file.write(head)
            file.truncate(size)
    except OSError as error:
        raise InputError(_no_room(path, error)) from error
    return path


def _no_room(path: Path | str, error: OSError) -> Diagnostic:
    found = cannot_write(path, error, "verify.no-room")
    return replace(found, hint="$TMPDIR names another folder for what is temporary")


def _run(arguments: tuple[str, ...], item: Placement, hint: str) -> str:
    """Standard output of the program under the server's environment, LLAMA_ARG_* left out."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LLAMA_ARG_")}
    try:
        done = subprocess.run(  # noqa: S603 - a program that the user named, words without a shell
            arguments,
            capture_output=True,
            text=True,
            errors="replace",
            env={**clean, **dict(item.environment)},
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(
            Diagnostic(
                "verify.failed",
                f"`{arguments[0]}` did not run: {error}",
                hint=hint,
            )
        ) from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise InputError(
            Diagnostic(
                "verify.failed",
                f"`{arguments[0]}` failed for `{item.name}`: "
                f"{lines[-1] if lines else 'no message'}",
                hint=hint,
            )
        )
    return done.stdout


def _recorded(
    lock: Lock, asked: list[Placement], seen: tuple[VerifiedModel, ...], build: int
) -> Lock:
    """The lock with measured bytes for every device that differed."""
    entries = dict(lock.entries)
    for item, verified in zip(asked, seen, strict=True):
        entry = entries[item.model.ref]
        found = dict(_measured(item, verified.devices))
        if found:
            digest = settings_digest(item.settings, build)
            measured = {**entry.measured, digest: found}
            entries[item.model.ref] = replace(entry, measured=measured)
    return replace(lock, entries=entries)


def _measured(item: Placement, devices: tuple[Difference, ...]) -> Iterator[tuple[str, Measured]]:
    """What the server will take: our figures, moved by the difference that was seen."""
    planned = {memory.device: memory for memory in item.estimate.memory}
    for device in devices:
        if device.differs and device.device in planned:
            yield device.device, _moved(planned[device.device], device)


def _moved(planned: DeviceMemory, seen: Difference) -> Measured:
    moved = {
        word: getattr(planned, word) + getattr(seen.theirs, word) - getattr(seen.ours, word)
        for word in seen.differs
    }
    same = {word: getattr(planned, word) for word in ("model", "context", "compute")}
    return Measured(**{word: max(0, size) for word, size in {**same, **moved}.items()})


def _print(seen: tuple[VerifiedModel, ...]) -> None:
    from llmgen.cli.breakdown import show_differences

    for item in seen:
        source = "its file" if item.from_file else "its locked header"
        click.echo(f"{item.name}, from {source}")
        show_differences(item.devices)
