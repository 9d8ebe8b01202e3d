"""What an ordinary user can do about the system's services: sudo, polkit, the journal's groups."""

from __future__ import annotations

import grp
import shlex
import shutil
from collections.abc import Sequence

from llmgen.errors import Diagnostic

# What systemctl says to a user without the rights, with and without a polkit that could ask.
_DENIED = ("Interactive authentication required", "Access denied", "Permission denied")
_HIDDEN = ("insufficient permissions", "not seeing messages from other users")
_ASKS = ("sudo", "doas", "run0")
# Who may read all of the journal (systemd-journald.service(8)).
_READERS = ("systemd-journal", "adm", "wheel")


def as_root(command: str) -> str:
    """How a person gets a command run by root here."""
    tool = next((name for name in _ASKS if shutil.which(name)), "")
    return f"`{tool} {command}`" if tool else f"as root: `{command}`"


def is_denied(errors: str) -> bool:
    """Whether systemctl was refused for want of rights."""
    return any(text in errors for text in _DENIED)


def denied(words: Sequence[str], said: Sequence[str]) -> Diagnostic:
    """What is said when a user may not manage the system's units."""
    return Diagnostic(
        "operate.not-allowed",
        f"this user may not run `{shlex.join(words)}`: the services are the system's",
        notes=tuple(said),
        hint=f"{as_root('llmgen …')}, the same command; or `operators` in [services] names a group "
        "whose members may (a polkit rule, installed by root)",
    )


def hidden_journal(errors: str) -> Diagnostic | None:
    """What is said when the journal shows this user nothing of the system's services."""
    if not any(text in errors for text in _HIDDEN):
        return None
    known = {item.gr_name for item in grp.getgrall()}
    group = next((name for name in _READERS if name in known), "")
    joins = f"; or {as_root(f'usermod -aG {group} $USER')}, then log in again" if group else ""
    return Diagnostic(
        "operate.journal-hidden",
        "the journal of the system's services is not this user's to see",
        hint=f"{as_root('llmgen logs')}{joins}",
    )
