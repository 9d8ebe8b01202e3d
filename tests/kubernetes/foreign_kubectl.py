"""A program called `kubectl` that answers as a test wants, and keeps how it was called."""

import json
import os
import stat
import sys
from pathlib import Path


def put(folder, script, monkeypatch):
    """Let `kubectl` be this Python script; its words are added to the list that is given back."""
    folder.mkdir(exist_ok=True)
    calls = folder / "calls"
    program = folder / "kubectl"
    head = f"#!{sys.executable}\nimport json, os, sys, time\n"
    keep = (
        f"with open({str(calls)!r}, 'a') as calls: calls.write(json.dumps(sys.argv[1:]) + '\\n')\n"
    )
    program.write_text(f"{head}{keep}words = sys.argv[1:]\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return Calls(calls)


class Calls:
    """How it was called so far."""

    def __init__(self, path: Path):
        self.path = path

    def __iter__(self):
        if self.path.exists():
            yield from map(json.loads, self.path.read_text().splitlines())
