"""How a model file is refused: one diagnostic that names the file and what is wrong in it."""

from __future__ import annotations

from llmgen.errors import Diagnostic, InputError

DAMAGED = "download or copy the file again"


def refused(code: str, message: str, hint: str = DAMAGED) -> InputError:
    """An InputError of one diagnostic ``facts.<code>``."""
    return InputError(Diagnostic(f"facts.{code}", message, hint=hint))


def shown(text: str, most: int = 64) -> str:
    """A name out of a file, short and printable, for a message."""
    clean = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return clean if len(clean) <= most else f"{clean[:most]}…"
