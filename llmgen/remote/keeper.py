"""What runs on the other host while llmgen does; it is sent as text, for any Python from 3.7.

It makes a private folder, writes files into it, runs one program in it, and sends back what that
says. Whatever ends the connection (the caller's end, ^C, a cut cable, whose heartbeats stop) ends
the program, too, and the folder is removed. That of a killed keeper is removed by the next one.

Both ways a message is one line of JSON, followed by as many bytes as its ``size`` says.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, Callable, Dict, NoReturn, Sequence

_MessageHeader = Dict[str, Any]
PREFIX = "llmgen-remote-"
# A caller whose heartbeats have stopped for so long is gone.
QUIET_SECONDS = 60
# What a program gets to end by itself, once it is asked.
ASKED = ((signal.SIGINT, 10), (signal.SIGTERM, 5), (signal.SIGKILL, 5))
LOOK_SECONDS = 30
CHUNK = 1 << 16
# Compiled modules are imported: a copy for another machine has the version and does not run.
VERSION = "import msgspec, psutil, pydantic, llmgen; print('llmgen, version', llmgen.__version__)"
MISSING = """
import json, sys
from importlib import metadata
missing = []
for name in sys.argv[1:]:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        missing.append(name)
print(json.dumps(missing))
"""


class Keeper:
    """One connection: its folder, its program, and the end of both."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        """Take what the caller writes and reads."""
        self.source, self.sink = source, sink
        self.folder: Path | None = None
        self.held = -1
        self.child: subprocess.Popen[bytes] | None = None
        self.heard = time.monotonic()
        self.asked: queue.Queue[tuple[_MessageHeader, bytes]] = queue.Queue()
        # Whoever ends everything never gives ``ending`` back: then nothing is begun any longer.
        self.telling, self.ending = threading.Lock(), threading.Lock()

    def serve(self) -> None:
        """Do what the caller asks until it has heard the end."""
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            # Not in the handler itself: what it interrupts may be holding ``ending``.
            signal.signal(number, lambda *_: beside(self.end))
        beside(self.listen)
        beside(self.watch)
        try:
            while True:
                header, payload = self.asked.get()
                getattr(self, header["do"])(header, payload)
        except Exception as error:  # noqa: BLE001 - the caller tells it, where it is read
            text = getattr(error, "strerror", None) or repr(error)
            self.tell({"is": "failed", "errno": getattr(error, "errno", None), "text": text})
        finally:
            self.end()

    def listen(self) -> None:
        """Take messages; the end of them ends everything."""
        try:
            while True:
                header = json.loads(self.source.readline())
                self.heard = time.monotonic()
                payload = self.read(header.get("size", 0))
                if "do" in header:
                    self.asked.put((header, payload))
        except ValueError:
            # No line is no JSON, either.
            self.end()

    def read(self, size: int) -> bytes:
        """So many bytes, which may take long."""
        payload = io.BytesIO()
        while payload.tell() < size:
            piece = self.source.read(min(CHUNK, size - payload.tell()))
            if not piece:
                raise ValueError
            payload.write(piece)
            self.heard = time.monotonic()
        return payload.getvalue()

    def watch(self) -> None:
        """End when the caller is not heard any longer."""
        while time.monotonic() - self.heard < QUIET_SECONDS:
            time.sleep(1)
        self.end()

    def greet(self, header: _MessageHeader, _: bytes) -> None:
        """Tell where a login shell's own words end, and make the folder."""
        self.tell({"is": "greeting", "nonce": header["nonce"]})
        self.folder, self.held = made()

    def look(self, header: _MessageHeader, _: bytes) -> None:
        """Which llmgen are here, and what this Python has."""
        known = [[str(Path(name).expanduser())] for name in header["programs"]]
        known += [[sys.executable, "-m", "llmgen"]]
        known += [[path] for path in filter(None, [shutil.which("llmgen")])]
        found: list[_MessageHeader] = []
        for words in known:
            found += filter(None, [self.version(words)])
            if found and found[-1]["version"] == header["version"]:
                break
        self.tell(
            {
                "is": "here",
                "found": found,
                "python": list(sys.version_info[:2]),
                "tag": sys.implementation.cache_tag,
                "machine": f"{sys.platform}-{os.uname().machine}",
                "missing": [] if found else self.missing(header["needs"]),
            }
        )

    def version(self, words: list[str], below: str = "") -> _MessageHeader | None:
        """A program's words with the version that it says; None where there is none."""
        asked = [words[0], "-c", VERSION] if words[1:] else [*words, "--version"]
        done = self.output(asked, below)
        if done is None or (done[0] and words[1:]):
            return None
        said = done[1].split()
        return {"words": words, "version": "" if done[0] or not said else said[-1][:40]}

    def missing(self, names: list[str]) -> list[str]:
        """Which of these packages this Python does not have."""
        done = self.output([sys.executable, "-c", MISSING, *names])
        return names if done is None or done[0] else list(json.loads(done[1]))

    def output(self, words: list[str], below: str = "") -> tuple[int, str] | None:
        """Exit code and text of a program that ends at once; None when it does not start or end."""
        try:
            child = self.start(words, "", below, subprocess.DEVNULL)
        except OSError:
            return None
        try:
            text = child.communicate(timeout=LOOK_SECONDS)[0]
        except subprocess.TimeoutExpired:
            stopped(child)
            return None
        return child.returncode, text.decode("utf-8", "replace")

    def put(self, header: _MessageHeader, payload: bytes) -> None:
        """Unpack a zip below the folder, readable by this user alone."""
        place = self.place(header["below"])
        with zipfile.ZipFile(io.BytesIO(payload)) as packed:
            for name in packed.namelist():
                with self.ending:
                    packed.extract(name, place)

    def check(self, header: _MessageHeader, _: bytes) -> None:
        """Whether the llmgen that was sent runs here."""
        found = self.version([sys.executable, "-m", "llmgen"], header["below"])
        self.tell({"is": "checked", "found": [found] if found else []})

    def run(self, header: _MessageHeader, _: bytes) -> None:
        """Run the program in its folder and send what it says; then everything ends."""
        self.place(header["below"]).mkdir(exist_ok=True)
        child = self.start(
            header["words"],
            header["below"],
            header["path"],
            subprocess.PIPE,
            header.get("environment"),
        )
        readers = [
            beside(self.send, "out", child.stdout),
            beside(self.send, "err", child.stderr),
        ]
        code = child.wait()
        for reader in readers:
            # What it has started, and left running, may still hold its output.
            reader.join(2)
        self.tell({"is": "end", "code": code})

    def send(self, name: str, pipe: BinaryIO) -> None:
        """Send what comes out of a pipe until it is closed."""
        while True:
            piece = os.read(pipe.fileno(), CHUNK)
            if not piece:
                return
            self.tell({"is": name}, piece)

    def start(
        self,
        words: Sequence[str],
        below: str,
        packages: str,
        errors: int,
        told: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program in a process group of its own, with the llmgen that was sent, if any."""
        environment = dict(os.environ, **(told or {}))
        if packages:
            environment["PYTHONPATH"] = str(self.place(packages))
        with self.ending:
            self.child = subprocess.Popen(  # noqa: S603 - words, never a shell line
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self.place(below),
                env=environment,
                start_new_session=True,
                # While it lives, nobody takes its folder for a dead keeper's.
                pass_fds=[self.held],
            )
            return self.child

    def place(self, below: str) -> Path:
        """The folder, or one in it."""
        if self.folder is None:
            raise AssertionError
        return self.folder / below

    def tell(self, header: _MessageHeader, payload: bytes = b"") -> None:
        """Send one message; without a caller there is nothing left to do."""
        line = json.dumps(dict(header, size=len(payload))).encode() + b"\n"
        try:
            with self.telling:
                self.sink.write(line + payload)
                self.sink.flush()
        except OSError:
            self.end()

    def end(self) -> NoReturn:
        """End the program and everything of it, remove the folder, and be gone."""
        self.ending.acquire()
        if self.child is not None and self.child.poll() is None:
            stopped(self.child)
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        os._exit(0)


def beside(call: Callable[..., None], *words: Any) -> threading.Thread:  # noqa: ANN401
    """Call it in a thread, which nobody waits for at the end."""
    thread = threading.Thread(target=call, args=words, daemon=True)
    thread.start()
    return thread


def stopped(child: subprocess.Popen[bytes]) -> None:
    """End a program as ^C does, and harder when that is not enough; then all that it started."""
    for number, seconds in ASKED:
        try:
            os.killpg(child.pid, number)
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        except OSError:
            return
        if child.returncode is not None:
            break
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)


def made() -> tuple[Path, int]:
    """A private folder with a lock that says its keeper lives; those of dead ones are removed."""
    os.umask(0o077)
    for folder in Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        swept(folder)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        held = hold(folder)
        # Another keeper may have taken it for a dead one's before it was held.
        if held is not None and folder.is_dir():
            return folder, held


def swept(folder: Path) -> None:
    """Remove a folder of this user that nobody holds."""
    held = hold(folder)
    if held is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def hold(folder: Path) -> int | None:
    """A descriptor that locks a folder of this user; None where that is not to be had."""
    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(held).st_uid != os.getuid():
            raise PermissionError
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        return None
    return held


if __name__ == "__main__":
    Keeper(sys.stdin.buffer, sys.stdout.buffer).serve()
