"""The stack in one terminal: starts the plan's programs, passes on what they say, ends them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from llmgen.errors import Diagnostic, InputError
from llmgen.operate.engines.server import secret
from llmgen.operate.foreground.parent_death import tied
from llmgen.operate.programs import own
from llmgen.options import is_option_variable
from llmgen.targets.services import Service

POLL_SECONDS = 0.1
# A program that ends is started again after a pause, but not for ever.
PAUSE_SECONDS, LONGEST_PAUSE, TRIES, STEADY_SECONDS = 1.0, 30.0, 5, 60.0
# Tells `status` which service a process is, and a later run whose it was.
MARK, RUN = "LLMGEN_FOREGROUND", "LLMGEN_FOREGROUND_FOLDER"
# Which llm.toml the run is of, as a JSON list of its files.
STACK = "LLMGEN_FOREGROUND_STACK"
# What stands between double quotes in an environment file (gateway.secrets writes it).
_ESCAPED = re.compile(r'\\(["\\$`])')
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


# A dataclass for its field that is not shown.
@dataclass(slots=True)
class Child:
    """One program of the stack while it runs; ``ends`` counts unexpected ends in a row."""

    service: Service
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    ends: int = 0
    due: float = 0.0
    reader: threading.Thread | None = field(default=None, repr=False)

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self.process is not None and self.process.poll() is None


Say = Callable[[str, str], None]


def supervise(services: Sequence[Service], say: Say, folder: Path, stack: Sequence[str]) -> None:
    """Run the programs until a signal asks for the end, or one of them will not stay up.

    It returns as well when nobody takes what they say any longer. ``folder`` marks the run, and
    ``stack``, its llm.toml files, whose it is.
    """
    mark = {RUN: str(folder), STACK: json.dumps([*stack])}
    environments = [{**_environment(item), **mark} for item in services]
    children = [Child(item) for item in services]
    with _asked_to_end() as asked:
        say = _until_closed(say, asked)
        try:
            for child, environment in zip(children, environments, strict=True):
                _start(child, environment, say)
            while not asked:
                for child, environment in zip(children, environments, strict=True):
                    _look_after(child, environment, say)
                time.sleep(POLL_SECONDS)
        finally:
            _end(children, say)


def _start(child: Child, environment: Mapping[str, str], say: Say) -> None:
    service = child.service
    full = {**environment, **_made(service)}
    for words in service.before:
        _prepare(service, words, full)
    full |= _made(service)
    if shutil.which(service.argv[0], path=full.get("PATH")) is None:
        raise InputError(_not_started(service, "it is not there, or this user may not run it"))
    try:
        child.process = subprocess.Popen(  # noqa: S603 - words, never a shell line
            tied(service.argv),
            env=full,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Its own group: ^C reaches us alone, and ends go in our order.
            start_new_session=True,
        )
    except OSError as error:
        raise InputError(_not_started(service, str(error.strerror))) from error
    child.started = time.monotonic()
    child.reader = threading.Thread(
        target=_pass_on, args=(child.process, service, say), daemon=True
    )
    child.reader.start()
    say(service.name, f"started, process {child.process.pid}")


def _look_after(child: Child, environment: Mapping[str, str], say: Say) -> None:
    if child.is_running:
        if child.ends and time.monotonic() - child.started > STEADY_SECONDS:
            child.ends = 0
        return
    now = time.monotonic()
    if child.process is not None:
        code = child.process.returncode
        child.process, child.ends = None, child.ends + 1
        child.due = now + min(PAUSE_SECONDS * 2 ** (child.ends - 1), LONGEST_PAUSE)
        say(child.service.name, f"ended with {_code(code)}")
        if child.ends >= TRIES:
            raise InputError(
                Diagnostic(
                    "operate.will-not-stay",
                    f"`{child.service.name}` ended {child.ends} times in a row, "
                    f"last with {_code(code)}",
                    hint="its last lines above say why",
                )
            )
    elif now >= child.due:
        _start(child, environment, say)


def _end(children: Sequence[Child], say: Say) -> None:
    """Stop everything, the last started first, each within its own time."""
    for child in reversed(children):
        if child.process is not None and child.is_running:
            _stop(child.process, child.service, say)
        if child.reader is not None:
            child.reader.join(timeout=5)


def _stop(process: subprocess.Popen[bytes], service: Service, say: Say) -> None:
    say(service.name, "stopping")
    _signal(process, signal.SIGTERM)
    try:
        process.wait(service.stop_seconds)
    except subprocess.TimeoutExpired:
        say(service.name, f"still there after {service.stop_seconds} s: killed")
    # What it started and left behind is in its group.
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


@contextmanager
def _asked_to_end() -> Iterator[list[int]]:
    """A list that gets the signals which ask for the end, instead of their usual effect."""
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        asked.append(number)

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield asked
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _until_closed(say: Say, asked: list[int]) -> Say:
    """The same until nobody reads it (`| head`): then the end is asked for, and nothing is said."""

    def tell(name: str, line: str) -> None:
        if signal.SIGPIPE in asked:
            return
        try:
            say(name, line)
        except (OSError, ValueError):
            asked.append(signal.SIGPIPE)

    return tell


def _pass_on(process: subprocess.Popen[bytes], service: Service, say: Say) -> None:
    if process.stdout is None:
        return
    with process.stdout as lines:
        for line in lines:
            say(service.name, line.decode("utf-8", "replace").rstrip("\r\n"))


def _prepare(service: Service, words: Sequence[str], environment: Mapping[str, str]) -> None:
    done = subprocess.run(  # noqa: S603 - words, never a shell line
        own(words),
        env=dict(environment),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise InputError(
            Diagnostic(
                "operate.command-failed",
                f"`{service.name}` cannot start: `{' '.join(words)}` failed "
                f"with exit code {done.returncode}",
                notes=tuple(said[-5:]),
                hint="put right what it says; the same command can be tried alone",
            )
        )


def _environment(service: Service) -> dict[str, str]:
    """Variables of this shell without llama-server's options, which the plan would not know of."""
    shell = {name: value for name, value in os.environ.items() if not is_option_variable(name)}
    found = {**shell, **dict(service.environment), MARK: service.name}
    missing = []
    for name, reference in service.secrets:
        value = secret(reference) or os.environ.get(name, "")
        if value:
            found[name] = value
        else:
            missing.append(name)
    if missing:
        raise InputError(
            [
                Diagnostic(
                    "operate.no-secret",
                    f"`{service.name}` needs the secret `{name}`, and it is not there",
                    hint="set the environment variable, or make the file readable",
                )
                for name in missing
            ]
        )
    return found


def _made(service: Service) -> dict[str, str]:
    """Variables of a file that the steps before the start write (systemd.exec's format)."""
    if service.made_file is None or not Path(service.made_file).exists():
        return {}
    lines = Path(service.made_file).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name: _ESCAPED.sub(r"\1", value[1:-1]) for name, value in pairs}


def _code(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _not_started(service: Service, why: str) -> Diagnostic:
    return Diagnostic(
        "operate.not-started",
        f"`{service.argv[0]}` cannot be started for `{service.name}`: {why}",
        hint="install it, or say where it is in [paths]",
    )
