"""tools/release as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Those that need no network.
PARTS = ("python", "schema", "homebrew", "debian")


def release(output, parts, *more, check=True, umask=0o022, **environment):
    """Build these parts below a folder; the process that ended."""
    words = [word for part in parts for word in ("--only", part)]
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "release", "--output", output, *words, *more],
        env={**os.environ, **environment},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


def tool(name):
    """A module of tools/release."""
    sys.path.insert(0, str(ROOT / "tools" / "release"))
    try:
        return __import__(name)
    finally:
        sys.path.pop(0)
