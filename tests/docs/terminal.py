"""Runs a page's blocks as a reader would: in a home of their own, one terminal after the other."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time

READY = 120


class Terminal:
    """A shell that keeps its folder and variables between commands; what goes on is ended last."""

    def __init__(self, home, programs, *, loosely=False, **environment):
        self.home, self.loosely, self.running = home, loosely, []
        self.folder = home / "llm"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.bin = home.parent / "bin"
        self.bin.mkdir(exist_ok=True)
        # Of its own: `up` tells of runs that were killed beside its folder.
        scratch = home.parent / "tmp"
        scratch.mkdir(exist_ok=True)
        for name, path in programs.items():
            if path and not (self.bin / name).exists():
                (self.bin / name).symlink_to(path)
        self.environment = {
            "HOME": str(home),
            "PATH": f"{self.bin}:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "COLUMNS": "100",
            "USER": "me",
            "TMPDIR": str(scratch),
            **environment,
        }

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process, _, _ in self.running:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def run(self, block):
        """Every command of a block prints what the page says, and ends as it says."""
        for command in block.commands:
            last = command is block.commands[-1]
            if block.keeps_running and last:
                self._start(block, command)
                continue
            code, text = self.once(command.line)
            expected = block.code if last else 0
            assert code == expected, f"{block}: `{command.line}` ended with {code}\n{text}"
            assert self.same(command.prints, text), told(block, command, command.prints, text)

    def end(self):
        """^C in every terminal that still runs something, and what that prints."""
        while self.running:
            process, block, log = self.running.pop()
            command = block.commands[-1]
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
            prints = tuple(line for line in command.prints if line != "^C")
            text = self._told(log.read_text("utf-8", "replace"))
            assert self.same(prints, text), told(block, command, prints, text)

    def once(self, line):
        """What a command line prints, and its exit code."""
        state = self.home.parent / "state"
        script = (
            f"cd {shlex.quote(str(self.folder))}\n[ ! -e {state} ] || . {state}\n"
            f"{line}\ncode=$?\n{{ export -p; printf 'cd %q\\n' \"$PWD\"; }} > {state}\nexit $code\n"
        )
        done = subprocess.run(
            ["bash", "-c", script],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        return done.returncode, self._told(done.stdout.decode("utf-8", "replace"))

    def _told(self, text):
        """What was printed, in a home and with programs where readers have them."""
        text = text.replace(str(self.home), "/home/me")
        return text.replace(str(self.bin), "/usr/local/bin")

    def _start(self, block, command):
        log = self.home.parent / f"terminal-{len(self.running)}.log"
        wanted = command.prints
        if "^C" in wanted:
            wanted = wanted[: wanted.index("^C")]
        with log.open("wb") as file:
            process = subprocess.Popen(
                shlex.split(command.line),
                env=self.environment,
                cwd=self.folder,
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.running.append((process, block, log))
        end = time.monotonic() + READY
        while not self.same((*wanted, "…"), text := self._told(log.read_text("utf-8", "replace"))):
            assert process.poll() is None, told(block, command, wanted, text)
            assert time.monotonic() < end, told(block, command, wanted, text)
            time.sleep(0.2)

    def same(self, prints, text):
        """Whether a command printed what stands on the page; nothing there asks for nothing."""
        wanted = [line for line in prints if line.strip()]
        if not wanted:
            return True
        seen = [line.rstrip() for line in text.splitlines() if line.strip()]
        if self.loosely:
            wanted, seen = [*map(loose, wanted)], [*map(loose, seen)]
        return re.fullmatch("".join(map(pattern, wanted)), "".join(f"{line}\n" for line in seen))


def pattern(line):
    """A line of a page as an expression: `…` is some text, alone on a line any lines."""
    if line.strip() == "…":
        return r"(?:.*\n)*?"
    return ".*?".join(map(re.escape, line.rstrip().split("…"))) + r"\n"


def loose(line):
    """A line without what another model, or another machine's size, would print differently."""
    line = re.sub(r"\[[#=+~.…]+\]", "[]", line)
    line = re.sub(r"\d+(\.\d+)?K?", "0", line)
    return re.sub(r"[ ─]+", " ", line).strip()


def told(block, command, prints, text):
    """What a failed comparison says."""
    page = "\n".join(prints)
    return f"{block}: `{command.line}` printed\n\n{text}\nand the page says\n\n{page}"
