"""Measured stacks of their own: one tiny model, a folder, a home."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import readers
from gguf_writer import write_llama

TEXT = """
edition = 1

[llama_cpp]
build = 11434

[hardware]
profile = "cpu"
memory = "16GiB"
host = "here"

[paths]
home = "{folder}"
models = "{folder}"
llama_server = "{server}"

[models.tiny]
model = "tiny.gguf"
ctx_size = {ctx_size}
environment = {{ LLMGEN_TEST_RUN = "{mark}" }}
"""


class Measured:
    """A folder with a model, and `llmgen measure` in it."""

    def __init__(self, folder, server, ctx_size=512):
        self.folder, self.mark = folder, f"{os.getpid()}-{time.monotonic_ns()}"
        write_llama(folder / "tiny.gguf", context=2**21)
        text = TEXT.format(folder=folder, server=server, ctx_size=ctx_size, mark=self.mark)
        (folder / "llm.toml").write_text(text)
        self.run("lock")

    def words(self, *words):
        return [sys.executable, "-m", "llmgen", "-c", str(self.folder / "llm.toml"), *words]

    def run(self, *words, code=0):
        done = subprocess.run([*self.words(*words), "--json"], capture_output=True, check=False)
        found = json.loads(done.stdout)
        assert found["exit_code"] == code, found["diagnostics"]
        return found

    def start(self, *words):
        """The command beside the test, as a process of its own."""
        return subprocess.Popen(self.words(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def processes(self):
        """Every process of this run's server, whoever its parent is now."""
        for process in psutil.process_iter():
            try:
                if process.environ().get("LLMGEN_TEST_RUN") == self.mark:
                    yield process
            except (psutil.Error, OSError):
                continue

    def servers(self):
        """Those that are the server itself, not what starts it."""
        for process in self.processes():
            try:
                if Path(process.exe()).name.startswith(("llama-server", "python")):
                    yield process
            except (psutil.Error, OSError):
                continue


class Counted(threading.Thread):
    """The kernel's own figures of the server, read by the test beside `llmgen measure`."""

    def __init__(self, measured):
        super().__init__()
        self.measured, self.over = measured, threading.Event()
        self.share = self.resident = self.file = 0
        self.cgroup = 0

    def run(self):
        while not self.over.wait(0.02):
            found = [item for item in self.measured.processes() if "llama-server" in item.name()]
            for process in found:
                self._read(process.pid)

    def _read(self, pid):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return
        share = field(rollup, "Pss")
        if share > self.share:
            self.share, self.file = share, field(rollup, "Pss_File")
        self.resident = max(self.resident, field(status, "VmHWM"))


def field(text, name):
    """Bytes of a line of kilobytes."""
    lines = (line.split() for line in text.splitlines() if line.startswith(f"{name}:"))
    return next((int(words[1]) * 1024 for words in lines), 0)


@pytest.fixture
def server():
    return readers.find("llama-server")
