"""What the commands that write files share: the ways out of a conflict, counts, target names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from llmgen.errors import Diagnostic, InputError, OwnershipError

if TYPE_CHECKING:
    from llmgen.apply.changes import Change
    from llmgen.cli.pipeline import Read

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_WORDS = {"create": "written", "update": "updated", "delete": "deleted", "adopt": "adopted"}


def ways_out(function: Decorated) -> Decorated:
    """Options that settle conflicts: ``--adopt``, ``--overwrite PATH``, ``--backup``."""
    for option in (
        click.option(
            "--backup", is_flag=True, help="Keep a copy of what is in the way, then write."
        ),
        click.option(
            "--overwrite",
            multiple=True,
            metavar="PATH",
            help="Replace this file, whoever wrote it.",
        ),
        click.option("--adopt", is_flag=True, help="Take over files that carry llmgen's header."),
    ):
        function = option(function)
    return function


def refuse_there(name: str) -> None:
    """OwnershipError when a file is there that `create_file` would not replace."""
    if name != "-" and os.path.lexists(name):
        raise _there(name)


def _there(name: str) -> OwnershipError:
    return OwnershipError(
        Diagnostic(
            "write.exists",
            f"`{name}` is already there",
            hint="`-o FILE` names another file, `-o -` prints it",
        )
    )


def create_file(name: str, text: str) -> None:
    """Write a new file; OwnershipError when it is there, InputError when it cannot be written."""
    try:
        with Path(name).open("x", encoding="utf-8", newline="\n") as stream, _whole(name):
            stream.write(text)
            stream.flush()
    except FileExistsError:
        raise _there(name) from None
    except OSError as error:
        raise unwritable(name, error) from error


@contextmanager
def _whole(name: str) -> Iterator[None]:
    """Leave no piece of a file that did not fit."""
    try:
        yield
    except OSError:
        # Never a device that somebody named.
        if Path(name).is_file():
            Path(name).unlink()
        raise


def edit_config(found: Read, text: str) -> None:
    """Replace the first llm.toml, after the new text has been read as one.

    A link to the file of somebody's dotfiles stays one, and the file stays its owner's.
    """
    from llmgen.apply.failure import cannot_write
    from llmgen.apply.files import remove_file, temporary, write_file
    from llmgen.config.load import load
    from llmgen.config.source import parse

    first, *others = found.sources
    if first.name.startswith("<"):
        raise click.UsageError("standard input cannot be edited; name a file with -c")
    load((parse(first.name, text), *others))
    path = Path(first.name).resolve()
    try:
        seen = path.stat()
        remove_file(temporary(path))
        write_file(path, text.encode(), seen.st_mode & 0o777)
        if os.geteuid() == 0:
            os.chown(path, seen.st_uid, seen.st_gid)
    except OSError as error:
        raise InputError(cannot_write(path, error, "models.unwritable")) from error


def write_out(name: str, content: bytes) -> None:
    """Write or replace a file that a person named; InputError when it cannot be written."""
    try:
        with Path(name).open("wb") as stream, _whole(name):
            stream.write(content)
            stream.flush()
    except OSError as error:
        raise unwritable(name, error) from error


def unwritable(name: str, error: OSError) -> InputError:
    """The error of a file that a person named."""
    from llmgen.apply.failure import cannot_write

    return InputError(cannot_write(name, error, "write.unwritable"))


def known_targets(names: Iterable[str]) -> tuple[str, ...]:
    """The names, also as [targets] spells them; a usage error for a target that does not exist."""
    from llmgen.targets import TARGETS

    chosen = tuple(name.replace("_", "-") for name in names)
    for name in chosen:
        if name not in TARGETS:
            raise click.UsageError(f"no target `{name}`; targets are {', '.join(TARGETS)}")
    return chosen


def rows(decided: Sequence[Change]) -> list[dict[str, str]]:
    """Every change that alters something, for ``--json``."""
    return [
        {"action": item.action.value, "path": str(item.path), "reason": item.reason}
        for item in decided
        if item.action.value not in ("keep", "forget")
    ]


def counts(decided: Sequence[Change]) -> str:
    """``3 written, 12 unchanged``."""
    found = Counter(item.action.value for item in decided)
    said = [f"{found[key]} {word}" for key, word in _WORDS.items() if found[key]]
    return ", ".join([*said, f"{found['keep']} unchanged"])
