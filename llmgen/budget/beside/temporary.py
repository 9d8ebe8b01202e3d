"""What an operation takes for itself while it runs: named bytes."""

from __future__ import annotations

from typing import NamedTuple


class Temporary(NamedTuple):
    """Bytes, and what they are.

    Those ``behind`` a result lie in the compute buffer, and are a part of what it reports.
    """

    what: str
    bytes: int
    behind: bool = False
