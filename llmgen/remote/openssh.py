"""The command line of OpenSSH: what llmgen insists on, and the one line that runs there."""

from __future__ import annotations

import shlex
from typing import Final

from llmgen.remote.destination import Destination

ALIVE_SECONDS: Final = 10
NO_PYTHON: Final = "llmgen: no python3"
# Reads the keeper from standard input; what follows there is the keeper's. Isolated: no module that
# lies in the home folder is taken for one of Python's.
START: Final = "import sys;f=sys.stdin.buffer;exec(f.read(int(f.readline())))"
# A login shell that runs a command has not the PATH of one that a person sees.
_PLACES: Final = "/opt/homebrew/bin:/usr/local/bin:$HOME/.local/bin:/run/current-system/sw/bin"
_SCRIPT: Final = (
    f"PATH=$PATH:{_PLACES}; export PATH; "
    f'command -v python3 >/dev/null || {{ echo "{NO_PYTHON}" >&2; exit 127; }}; '
    f'exec python3 -I -c "{START}"'
)
# Without `'`, `!`, `\` and line ends, which shells read differently even between quotes.
LINE: Final = f"exec /bin/sh -c {shlex.quote(_SCRIPT)}"
# What ~/.ssh/config says of address, user, port, keys and ways there stays; these do not.
_OPTIONS: Final = (
    # Nothing is asked: no password, no passphrase, no unknown host key.
    "BatchMode=yes",
    # Not even `accept-new`: who sees a key for the first time is a person, by `ssh HOST`.
    "StrictHostKeyChecking=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "Tunnel=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    # A master that is there is used; none is left behind.
    "ControlMaster=no",
    "EscapeChar=none",
    "LogLevel=ERROR",
    f"ServerAliveInterval={ALIVE_SECONDS}",
    "ServerAliveCountMax=3",
)


def ssh(there: Destination, *, connect_seconds: int) -> tuple[str, ...]:
    """The words that start Python on a host, with pipes to and from it."""
    options = (*_OPTIONS, f"ConnectTimeout={connect_seconds}")
    port = () if there.port is None else ("-p", str(there.port))
    return (
        # -k: no Kerberos ticket is handed on, which has no `-o` where ssh was built without.
        *("ssh", "-a", "-x", "-k", "-T"),
        *(word for option in options for word in ("-o", option)),
        *port,
        "--",
        str(there),
        LINE,
    )


def by_hand(there: Destination) -> str:
    """The command with which a person goes there, for hints."""
    port = "" if there.port is None else f"-p {there.port} "
    return f"ssh {port}{there}"


def known_as(there: Destination) -> str:
    """What the host is called in known_hosts, for `ssh-keygen -R`."""
    return there.host if there.port in {None, 22} else f"'[{there.host}]:{there.port}'"
