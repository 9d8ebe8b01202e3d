"""How many models guard has unloaded on this machine: a number in its own folder of state."""

from __future__ import annotations

from pathlib import Path

from llmgen.apply import files

_NAME = "unloads"


def unloads(state: Path) -> int:
    """The count; 0 where there is none, or it cannot be read."""
    try:
        text = (state / _NAME).read_text("ascii").strip()
    except (OSError, ValueError):
        return 0
    return int(text) if text.isdigit() else 0


def add_unloads(state: Path, count: int) -> None:
    """Count on; without a place for it, nobody is told."""
    if not count:
        return
    path = state / _NAME
    try:
        files.make_folder(path.parent)
        files.remove_file(files.temporary(path))
        files.write_file(path, f"{unloads(state) + count}\n".encode(), 0o644)
    except OSError:
        return
