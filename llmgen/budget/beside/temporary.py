"""What an operation takes for itself while it runs: named bytes."""

from __future__ import annotations

from typing import NamedTuple


class Temporary(NamedTuple):
    """Bytes, and what they are."""

    what: str
    bytes: int
