"""Words that start a program which the kernel ends when its starter is gone, however it went."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

# The program runs in a Python of its own that becomes it, not in `preexec_fn`: between fork and
# exec of a process with threads no Python code is safe. prctl's PR_SET_PDEATHSIG (1) survives exec,
# but not one that gains privileges (set-uid, file capabilities): that program is left to the next
# run. A starter that was gone before the call shows as another parent. The signal comes when the
# *thread* that forked ends: only the main thread may start these programs. It is SIGTERM, so that
# llama-swap ends the servers that it started.
_BECOME = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, int(signal.SIGTERM), 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(0)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"`{sys.argv[2]}` cannot be started: {error.strerror}")
"""


def tied(words: Sequence[str]) -> list[str]:
    """The same program, tied to this process on Linux; other systems have no such thing."""
    if sys.platform != "linux" or not sys.executable:
        return list(words)
    # -I and -S: nothing of the service's environment changes what this Python does.
    return [sys.executable, "-I", "-S", "-c", _BECOME, str(os.getpid()), *words]
