"""llm.lock on disk; parsing and rendering are pure and next door."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from llmgen.apply.failure import cannot_write
from llmgen.errors import Diagnostic, InputError
from llmgen.facts.lock_model import Entry, Lock, Measured, Measurements
from llmgen.facts.lock_parse import AGAIN, parse_lock, settled
from llmgen.facts.lock_render import render_lock

__all__ = [
    "Entry",
    "Lock",
    "Measured",
    "Measurements",
    "parse_lock",
    "read_lock",
    "read_settled",
    "render_lock",
    "write_lock",
]


def read_lock(path: Path) -> Lock:
    """The lock in a file; an empty one where there is none."""
    text = _text(path)
    return Lock() if text is None else parse_lock(text, str(path))


def read_settled(path: Path) -> Lock:
    """The lock that ``llmgen lock`` starts from: of a merge conflict what nobody disputes."""
    text = _text(path)
    return Lock() if text is None else settled(text, str(path))


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise InputError(
            Diagnostic(
                "lock.syntax",
                f"`{path}` is no UTF-8 text",
                hint=AGAIN,
            )
        ) from None
    except OSError as error:
        raise InputError(
            Diagnostic(
                "lock.unreadable",
                f"`{path}` cannot be read: {error.strerror}",
                hint="make it a file that this user can read, or run llmgen as its owner",
            )
        ) from None


def write_lock(path: Path, lock: Lock) -> bool:
    """Write a lock through a temporary file; False when the file already says the same."""
    content = render_lock(lock).encode("utf-8")
    with suppress(OSError):
        if path.read_bytes() == content:
            return False
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.unlink(missing_ok=True)
        # Exclusively: a link that somebody else put there is not followed.
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        # Without the name of the file that was to take its place.
        nameless = OSError(error.errno, error.strerror)
        raise InputError(cannot_write(path, nameless, "lock.unwritable")) from None
    return True
