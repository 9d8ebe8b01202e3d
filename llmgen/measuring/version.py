"""What a program says that it is, in one line."""

from __future__ import annotations

from pathlib import PurePosixPath

from llmgen.operate.programs import run

_MOST = 100


def version_of(program: str) -> str:
    """Its name and the first line of ``--version``, where it knows that."""
    name = PurePosixPath(program).name
    done = run((program, "--version"), seconds=60)
    lines = [line.strip() for line in f"{done.output}\n{done.errors}".splitlines()]
    said = next((line for line in lines if done.ok and line and line.isprintable()), "")
    return f"{name} {said}".strip()[:_MOST]
