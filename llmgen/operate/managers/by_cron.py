"""A stack that cron keeps up: begun, ended and begun again as a whole, by cron's own command."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import psutil

from llmgen.apply import files
from llmgen.apply.failure import UNREADABLE, cannot_write
from llmgen.errors import Diagnostic, InputError
from llmgen.operate.foreground.run_folder import holder
from llmgen.operate.installation.installed_stack import NOTHING, installed_units, is_installed
from llmgen.operate.installation.steps import Lines, Words
from llmgen.operate.managers.crontab import LOG, kept_up, let_go
from llmgen.operate.site import Site

# Says that `down` ended the stack: the start of the machine after which it stays down.
STOPPED = "stopped"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
# Programs are given their own time to stop, one after the other; a load may be at its slowest.
END_SECONDS, BEGIN_SECONDS, POLL_SECONDS = 600, 60, 0.1


def is_by_cron(site: Site) -> bool:
    """Whether what is installed has no units, and so is cron's to keep up."""
    try:
        return is_installed(site) and not installed_units(site)
    except InputError as error:
        # Cron's stack is of a user, who can read what is installed.
        if error.diagnostics[0].code != UNREADABLE:
            raise
        return False


def begin(site: Site, names: Sequence[str]) -> bool:
    """Start the stack as cron does, in the background; False when it is up already."""
    words = _words(names)
    _mark(site).unlink(missing_ok=True)
    if holder(_configs(words)):
        return False
    log = Path(site.layout.state / LOG)
    try:
        files.make_folder(log.parent)
        with log.open("ab") as stream:
            process = subprocess.Popen(  # noqa: S603 - cron's own words
                words,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
    except OSError as error:
        raise InputError(_not_begun(words, str(error.strerror))) from error
    end = time.monotonic() + BEGIN_SECONDS
    while not holder(_configs(words)) and time.monotonic() < end:
        if process.poll() is not None:
            raise InputError(_not_begun(words, f"it ended; `{log}` says why"))
        time.sleep(POLL_SECONDS)
    return True


def end(site: Site, names: Sequence[str], *, stays: bool) -> bool:
    """End the stack; with ``stays`` cron starts it no more before the next boot."""
    words = _words(names)
    if stays:
        _note(_mark(site))
    return let_end(words)


def let_end(words: Words) -> bool:
    """End what these words of cron run, and wait until it has; False when nothing ran."""
    configs = _configs(words)
    pid = holder(configs)
    if not pid:
        return False
    os.kill(pid, signal.SIGTERM)
    last = time.monotonic() + END_SECONDS
    while holder(configs) == pid:
        if time.monotonic() > last:
            raise InputError(
                Diagnostic(
                    "operate.still-up",
                    f"the stack (process {pid}) was asked to end and has not",
                    hint="`llmgen logs` shows what it is at",
                )
            )
        time.sleep(POLL_SECONDS)
    return True


def is_running() -> bool:
    """Whether the stack that cron keeps up is up."""
    return holder(_configs(kept_up())) != 0


def leave(site: Site) -> None:
    """Take llmgen's lines out of the crontab, end what they keep up, and forget what it said."""
    words = kept_up()
    let_go()
    if words:
        let_end(words)
    for name in (LOG, STOPPED):
        files.remove_file(Path(site.layout.state / name))


def is_stopped(state: Path) -> bool:
    """Whether `down` ended the stack since the machine started."""
    try:
        return (state / STOPPED).read_text() == _boot()
    except OSError:
        return False


def log_of(site: Site, names: Sequence[str], wanted: Lines) -> Words:
    """The words of a command that shows what cron's stack said."""
    _words(names)
    more = ("-F",) if wanted.follow else ()
    return ("tail", "-n", str(wanted.lines), *more, "--", str(site.layout.state / LOG))


def refuse_cron(site: Site) -> None:
    """InputError where cron keeps the stack up: its lines start it with the machine."""
    if is_by_cron(site):
        raise InputError(
            Diagnostic(
                "operate.by-cron",
                "cron keeps this stack up as long as its lines are in the crontab",
                hint="`llmgen down` ends it until the next boot, `llmgen uninstall` for good",
            )
        )


def _words(names: Sequence[str]) -> Words:
    """What cron keeps up; InputError when it does not, or when a part of it is meant."""
    words = kept_up()
    if not words:
        raise InputError(NOTHING)
    if names:
        raise InputError(
            Diagnostic(
                "operate.whole-stack",
                f"`{names[0]}` is a part of a stack that cron keeps up as a whole",
                hint="the same command without names",
            )
        )
    return words


def _configs(words: Words) -> list[str]:
    return [path for word, path in pairwise(words) if word == "-c"]


def _mark(site: Site) -> Path:
    return Path(site.layout.state / STOPPED)


def _note(mark: Path) -> None:
    try:
        files.make_folder(mark.parent)
        files.remove_file(files.temporary(mark))
        files.write_file(mark, _boot().encode(), 0o600)
    except OSError as error:
        raise InputError(cannot_write(mark, error)) from error


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return str(int(psutil.boot_time()))


def _not_begun(words: Words, why: str) -> Diagnostic:
    return Diagnostic(
        "operate.not-started",
        f"`{words[0]}` cannot be started: {why}",
        hint="`llmgen` in [paths] says where it is; then `llmgen install --cron`",
    )
