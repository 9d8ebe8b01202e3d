"""Version numbers in what the servers say about themselves."""

from __future__ import annotations

import re

# b11434 says `version: 11434 (…)`, wrappers `build 11434`; a bare `1.2.3` is no build.
_BUILD = (re.compile(r"build (\d+)"), re.compile(r"^version: (\d+)\b(?!\.)", re.MULTILINE))
_SWAP = re.compile(r"version:?\s+v?(\d+)")


def build_number(text: str) -> int | None:
    """The build number of ``llama-server --version``; None when it names none (or 0)."""
    return _number(_BUILD[0].search(text) or _BUILD[1].search(text))


def swap_number(text: str) -> int | None:
    """The version of ``llama-swap -version``; None when it names none (or 0)."""
    return _number(_SWAP.search(text))


def _number(match: re.Match[str] | None) -> int | None:
    return (int(match[1]) if match else 0) or None
