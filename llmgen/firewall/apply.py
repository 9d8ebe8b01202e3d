"""Ask nft or ufw, and tell them; every change of nft is one transaction."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from typing import Any

from llmgen.errors import Diagnostic, InputError

# nft and ufw stand outside the PATH of most users.
_FOLDERS = "/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin:/run/current-system/sw/bin"

# Rules are a matter of moments; longer is a lock that somebody else holds.
PATIENCE_SECONDS = 60


def ruleset() -> dict[str, Any]:
    """All rules of nftables now, with handles."""
    found: dict[str, Any] = json.loads(_run(("nft", "-a", "-j", "list", "ruleset")))
    return found


def load(script: str) -> None:
    """Give nft a script: all of it takes effect, or none."""
    if script:
        _run(("nft", "-f", "-"), script)


def tell(commands: Iterable[Sequence[str]]) -> None:
    """Run commands one after the other."""
    for words in commands:
        _run(words)


def _run(words: Sequence[str], text: str = "") -> str:
    program = shutil.which(words[0], path=_FOLDERS)
    if program is None:
        raise InputError(
            Diagnostic(
                "firewall.no-program",
                f"there is no `{words[0]}` on this machine",
                hint="install it, or take the printed rules to where your firewall is",
            )
        )
    try:
        done = subprocess.run(  # noqa: S603 - words, no shell
            [program, *words[1:]],
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        why = f"still running after {PATIENCE_SECONDS} s"
        raise _refused(words, why, "see what else changes the firewall") from error
    if done.returncode:
        why = (done.stderr or done.stdout).strip()
        raise _refused(words, why, "it needs root: run it with sudo")
    return done.stdout


def _refused(words: Sequence[str], why: str, hint: str) -> InputError:
    message = f"`{' '.join(words)}` failed: {why}"
    return InputError(Diagnostic("firewall.refused", message, hint=hint))
