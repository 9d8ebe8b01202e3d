"""What can go wrong on the way to a host: a sentence with its name, and what helps; pure."""

from __future__ import annotations

import errno
import re
import shlex
from collections.abc import Sequence
from typing import Final

from llmgen import __version__
from llmgen.errors import Diagnostic, KeyPath
from llmgen.remote.host import Host
from llmgen.remote.openssh import NO_PYTHON, known_as
from llmgen.units import show_size

_SHOWN_BYTES: Final = 60
_SHOWN_LINES: Final = 3
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
# OpenSSH has one exit code for all that it cannot do, so its words have to tell these apart.
_CHANGED_KEY: Final = re.compile(
    r"HOST IDENTIFICATION HAS CHANGED|host key .*(revoked|changed)", re.IGNORECASE
)
# What known_hosts calls it, which ~/.ssh/config may have decided.
_KNOWN_AS: Final = re.compile(r"ost key for ([\w.:\[\]-]+) has changed", re.ASCII)
_UNKNOWN_KEY: Final = re.compile(
    r"Host key verification failed|No .* host key is known", re.IGNORECASE
)
_REFUSED: Final = re.compile(r"Permission denied \(|Too many authentication failures")
_SETTINGS: Final = re.compile(r"Bad configuration option|terminating, \d+ bad|Bad owner or perm")


def no_ssh(host: Host) -> Diagnostic:
    """No `ssh` on PATH."""
    return _about(
        host,
        "no-ssh",
        "is reached by `ssh`, which is not on PATH",
        "install OpenSSH's client (Debian: `apt install openssh-client`)",
    )


def not_reached(host: Host, code: int, errors: str) -> Diagnostic:
    """`ssh` ended before anything ran on the host."""
    lines = _said(errors)
    by_hand = f"`{host.by_hand()}`"
    if NO_PYTHON in errors:
        what, why = "no-python", "has no `python3`, which llmgen needs there"
        return _about(host, what, why, "install Python 3.11 or later on that host")
    if host.destination is None:
        why = f"cannot run `python`: it ended with exit code {code}"
        return _about(host, "cut-off", why, "is this llmgen whole?", lines)
    if _CHANGED_KEY.search(errors):
        told = _KNOWN_AS.search(errors)
        known = shlex.quote(told[1]) if told else known_as(host.destination)
        return _about(
            host,
            "host-key",
            "shows another host key than known_hosts has: another machine, or a new system on it",
            f"when you know why: `ssh-keygen -R {known}`, then {by_hand} once by hand",
            lines,
        )
    if _UNKNOWN_KEY.search(errors):
        why = "shows a host key that known_hosts does not have"
        hint = f"{by_hand} once by hand, and compare the fingerprint that it shows"
        return _about(host, "host-key", why, hint, lines)
    if _REFUSED.search(errors):
        why = "lets nobody in with the keys of `ssh`; llmgen gives no password"
        copy = host.by_hand().replace("ssh ", "ssh-copy-id ", 1)
        hint = (
            f"`{copy}`, or `ssh-add` where the key has a passphrase, until {by_hand} asks nothing"
        )
        return _about(host, "refused-key", why, hint, lines)
    if _SETTINGS.search(errors):
        return _about(host, "ssh-settings", "is not reached: `ssh` refuses its settings",
                      f"put ~/.ssh/config right, until {by_hand} works", lines)  # fmt: skip
    why = f"cannot be reached by `ssh` (exit code {code})"
    return _about(host, "unreachable", why, f"is it on? {by_hand} has to work by hand", lines)


def cut_off(host: Host, errors: str) -> Diagnostic:
    """The connection ended in the middle."""
    return _about(
        host,
        "cut-off",
        "was cut off before llmgen had ended there",
        f"what ran there ends within a minute; `{host.by_hand('uptime')}` says whether it is back, "
        "then run the same command again",
        _said(errors),
    )


def no_answer(host: Host, seconds: float, *, greeted: bool) -> Diagnostic:
    """Nothing came in time."""
    if greeted:
        why = f"has not ended after {seconds:.0f} s, and was stopped"
        return _about(host, "too-long", why, f"what takes so long there? `{host.by_hand('top')}`")
    why = f"answers `ssh`, but nothing has started there after {seconds:.0f} s"
    hint = f"`{host.by_hand('true')}` has to end at once: what does its login shell wait for?"
    return _about(host, "no-answer", why, hint)


def too_much(host: Host, size: int) -> Diagnostic:
    """More came than is taken."""
    why = f"sent more than {show_size(size)}, and was stopped"
    hint = f"what does it print? `{host.by_hand('true')}` has to be silent"
    return _about(host, "too-much", why, hint)


def garbage(host: Host, found: bytes) -> Diagnostic:
    """What came is nothing that llmgen says."""
    why = f"answered with something that is not llmgen's: {_visible(found)}"
    hint = f"`{host.by_hand('true')}` has to be silent: what does its login shell print, or start?"
    return _about(host, "garbage", why, hint)


def failed_there(host: Host, number: int | None, text: str) -> Diagnostic:
    """The host could not make the folder, or what is in it."""
    why = f"cannot take llmgen's files: {_visible(text.encode(errors='replace'))}"
    if number in _NO_ROOM:
        hint = f"make room there: `{host.by_hand('df -h')}`"
        return _about(host, "no-room", why, hint)
    return _about(host, "no-folder", why, f"`{host.by_hand('mktemp -d')}` has to work")


def other_version(host: Host, words: Sequence[str], version: str) -> Diagnostic:
    """There is an llmgen another version, or one that does not run."""
    program = shlex.join(words)
    has = f"has llmgen {_plain(version)}" if version else "has an llmgen that does not run"
    return _about(
        host,
        "other-version",
        f"{has} (`{_plain(program)}`), and this one is {__version__}",
        f"on that host: {_install()}",
    )


def no_llmgen(host: Host, python: str) -> Diagnostic:
    """There is no llmgen, and this one cannot run there."""
    return _about(
        host,
        "no-llmgen",
        f"has no llmgen, and this one's compiled modules are not for its {_plain(python)}",
        f"on that host: {_install()}",
    )


def _install() -> str:
    return (
        f"`pipx install --force llmgen=={__version__}`, or the wheel or checkout that this one "
        "was installed from"
    )


def _about(host: Host, code: str, why: str, hint: str, notes: tuple[str, ...] = ()) -> Diagnostic:
    key: KeyPath = ("hosts", host.name)
    return Diagnostic(f"remote.{code}", f"host `{host.name}` {why}", key, hint=hint, notes=notes)


def _said(errors: str) -> tuple[str, ...]:
    """The last lines that `ssh` wrote, without its frames of `@`."""
    lines = [_plain(line) for line in errors.splitlines()]
    return tuple(line for line in lines if line.strip("@ "))[-_SHOWN_LINES:]


def _visible(found: bytes) -> str:
    """The first bytes, those that a terminal obeys as escapes."""
    if not found.strip():
        return "nothing"
    return f"`{_plain(found[:_SHOWN_BYTES].decode('utf-8', 'backslashreplace'))}`"


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text.strip())[:300]
