"""A small stack that runs anywhere: three tiny models, one of them always on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import readers
from click.testing import CliRunner
from gguf_writer import write_llama
from readers.ports import free_ports

from llmgen.cli.boundary import root
from llmgen.facts.local import read_model
from llmgen.facts.lock import Entry, Lock, write_lock

TEXT = """\
edition = 1
[hardware]
os = "linux"
backend = "cpu"
memory = "16GiB"
reserve = "1GiB"
process_overhead = "64MiB"
threads = 1
devices = []
[paths]
home = "{home}"
models = "{folder}/models"
config = "{config}"
state = "{state}"
llama_server = "{llama_server}"
llama_swap = "{llama_swap}"
llmgen = "{llmgen}"
[services]
scope = "{scope}"
user = "llm"
on_demand = "{on_demand}"
start_port = {always}
[services.llama_swap]
port = {swap}
start_port = {first}
[services.router]
port = {swap}
[defaults]
ctx_size = 512
cache_ram = 0
[models.always]
model = "a.gguf"
keep = "always"
[models.one]
model = "b.gguf"
aliases = ["gpt-one"]
[models.two]
model = "c.gguf"
[models.three]
model = "d.gguf"
[models.four]
model = "e.gguf"
"""
FILES = ("a", "b", "c", "d", "e")


def write_stack(folder: Path, *, seen_as=None, extra="", changed=(), **settings) -> dict:
    """Models, llm.toml and llm.lock in ``folder``; the values that were filled in."""
    ports = free_ports(12)
    values = {
        "folder": seen_as or folder,
        "home": str(Path.home()),
        "config": f"{seen_as or folder}/config",
        "state": f"{seen_as or folder}/state",
        "llama_server": str(readers.find("llama-server")),
        "llama_swap": str(readers.find("llama-swap")),
        "llmgen": "/usr/local/bin/llmgen",
        "scope": "user",
        "on_demand": "llama_swap",
        "always": ports[0],
        "swap": ports[1],
        "first": ports[2],
    } | settings
    for seed, name in enumerate(FILES):
        path = folder / "models" / f"{name}.gguf"
        if not path.exists():
            write_llama(path, seed=seed)
    text = TEXT.format(**values) + extra
    for old, new in changed:
        assert old in text
        text = text.replace(old, new)
    (folder / "llm.toml").write_text(text)
    names = [f"{name}.gguf" for name in FILES]
    entries = {f"file:{name}": Entry(read_model(folder / "models" / name, name)) for name in names}
    write_lock(folder / "llm.lock", Lock(entries))
    return values


def data_of(text, code):
    """What the JSON of a command tells, once it has ended with this code."""
    found = json.loads(text)
    assert found["exit_code"] == code, found["diagnostics"]
    return found["data"]


class Foreground:
    """The stack, up in the foreground of a process of its own."""

    def __init__(self, folder, *, around=(), **settings):
        self.folder, self.values = folder, write_stack(folder, **settings)
        self.log = (folder / "up.log").open("wb")
        words = [*self.words(), "up", "--foreground"]
        self.process = subprocess.Popen([*around, *words], stdout=self.log, stderr=self.log)
        self.until(lambda: self.get(self.values["always"], "/health"))
        self.until(lambda: self.get(self.values["swap"], "/v1/models"))

    def options(self):
        return ["-c", str(self.folder / "llm.toml")]

    def words(self):
        return [sys.executable, "-m", "llmgen", *self.options()]

    def llmgen(self, *words, code=0):
        """What a command says, in this process: a new one would import everything anew each time."""
        return data_of(CliRunner().invoke(root, [*self.options(), *words, "--json"]).stdout, code)

    def apart(self, *words, code=0):
        """The same of a process of its own, for what a process takes up when it starts."""
        done = subprocess.run([*self.words(), *words, "--json"], capture_output=True, check=False)
        return data_of(done.stdout, code)

    def get(self, port, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as got:
                return got.read()
        except OSError:
            return None

    def until(self, true, seconds=60):
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end
            assert self.process.poll() is None, (self.folder / "up.log").read_text()
            time.sleep(0.1)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.log.close()
        return code, (self.folder / "up.log").read_text()
