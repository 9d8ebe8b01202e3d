"""Progress: only on a terminal, only after a while, and gone when it is done."""

import os
import sys
import time
from contextlib import contextmanager, suppress

import pytest

from llmgen.cli import waiting


class Terminal:
    """What a terminal has been written to so far."""

    def __init__(self, master):
        self.master, self.seen = master, b""
        os.set_blocking(master, False)

    @property
    def text(self):
        with suppress(BlockingIOError):
            self.seen += os.read(self.master, 1 << 16)
        return self.seen.decode(errors="replace")


@contextmanager
def terminal(monkeypatch):
    """Standard error on a terminal; within a test, since pytest sets its own before each."""
    master, slave = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.05)
    with open(slave, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        yield Terminal(master)
    os.close(master)


def test_what_takes_long_is_named(monkeypatch):
    until = time.monotonic() + 20
    with terminal(monkeypatch) as seen, waiting.waiting("planning 10000 models"):
        while "planning 10000 models" not in seen.text and time.monotonic() < until:
            time.sleep(0.01)
        assert "planning 10000 models" in seen.text


def test_quick_answer_is_silent(monkeypatch):
    with terminal(monkeypatch) as seen:
        monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 60)
        with waiting.waiting("planning 1 model"):
            pass
        assert seen.text == ""


def test_pipe_sees_nothing(monkeypatch):
    with terminal(monkeypatch) as seen:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
        with waiting.waiting("planning 10000 models"):
            time.sleep(0.2)
        assert seen.text == ""


def test_mistake_inside_comes_out(monkeypatch):
    inside = pytest.raises(ValueError, match="inside")
    with terminal(monkeypatch), inside, waiting.waiting("planning"):
        raise ValueError("inside")
