"""A lab of three machines and the person's desk, from which they are all installed."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import readers
from gguf_writer import write_llama
from lab_machines import Machine
from network import NET, Switch

from llmgen.facts.local import read_model
from llmgen.facts.lock import Entry, Lock, write_lock

ADDRESSES = {"studio": f"{NET}.1", "spark": f"{NET}.2", "box": f"{NET}.3"}
LOGINS = {"studio": "root", "spark": "ai", "box": "root"}
MODELS = {"alpha": "a.gguf", "beta": "b.gguf", "gamma": "c.gguf", "delta": "d.gguf"}
SERVED = {"studio": "alpha", "spark": "beta", "box": "gamma"}
ALIASES = ("alpha", "gpt-alpha", "beta", "gamma", "gpt-gamma", "delta")
DOORS = {"studio": 4001, "spark": 4003, "box": 4001}
FOLDERS = {"studio": ("/etc/llmgen", "/etc/systemd/system", "/var/lib/llmgen")}
FOLDERS["box"] = FOLDERS["studio"]
FOLDERS["spark"] = ("/home/ai/.config", "/home/ai/.local")
TEXT = """\
edition = 2
[hardware]
os = "linux"
backend = "cpu"
memory = "16GiB"
reserve = "1GiB"
process_overhead = "64MiB"
threads = 1
devices = []
[paths]
models = "/opt/models"
llama_server = "/opt/llama/llama-server"
llama_swap = "/opt/swap/llama-swap"
envoy = "/opt/envoy/envoy"
llmgen = "/opt/llmgen"
[services]
start_port = 9100
groups = []
[services.llama_swap]
port = 4003
start_port = 9200
[services.router]
port = 4002
[defaults]
ctx_size = 512
cache_ram = 0

[hosts.studio]
address = "10.77.0.1"
ssh = "root@10.77.0.1"
key = { file = "/opt/keys/studio" }
services.scope = "system"
services.user = "llm"
gateway.envoy.enable = true

[hosts.spark]
address = "10.77.0.2"
ssh = "ai@10.77.0.2"
key = { file = "/opt/keys/spark" }
paths.home = "/home/ai"
paths.llmgen = "/opt/nobody/llmgen"
services.scope = "user"
services.on_demand = "llama_swap"

[hosts.box]
address = "10.77.0.3"
ssh = "root@10.77.0.3"
key = { file = "/opt/keys/box" }
services.scope = "system"
services.user = "llm"
services.on_demand = "router"
gateway.envoy.enable = true

[models.alpha]
model = "a.gguf"
aliases = ["gpt-alpha"]
host = "studio"
keep = "always"
[models.beta]
model = "b.gguf"
host = "spark"
[models.gamma]
model = "c.gguf"
aliases = ["gpt-gamma"]
host = "box"
[models.delta]
model = "d.gguf"
host = "spark"
"""
# A host has a minute to begin.
LATE_SECONDS = 45
NOBODYS = "/opt/nobody/llmgen"
# Without llama-swap spark has a router behind Envoy, as box has; what makes Envoy's keys is an llmgen.
INSTEAD = (
    ('on_demand = "llama_swap"', 'on_demand = "router"\ngateway.envoy.enable = true'),
    ('llama_swap = "/opt/swap/llama-swap"\n', ""),
    (NOBODYS, "/opt/llmgen"),
)
# Spark has no llmgen: what is sent runs there. The others have one, which is theirs by [paths].
CLIENT = """\
Host *
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile none
  IdentitiesOnly yes
  IdentityFile {folder}/key
"""


class Lab:
    """The machines, booted; `llmgen` runs at the desk, beside the one llm.toml."""

    def __init__(self, folder):
        self.folder = folder
        self.switch = Switch()
        self.doors = dict(DOORS)
        # What every machine did when a command had already taken long.
        self.late = ""
        # The llmgen that [paths] says spark has.
        self.sparks = NOBODYS
        self._desk()
        public = (folder / "key.pub").read_text()
        with ThreadPoolExecutor() as pool:
            booting = {
                name: pool.submit(Machine, self.switch, name, ADDRESSES[name], LOGINS[name], public)
                for name in ADDRESSES
            }
        self.machines = {name: future.result() for name, future in booting.items()}
        for machine in self.machines.values():
            self._furnish(machine)
        self.trust()

    def _desk(self):
        (self.folder / "bin").mkdir()
        (self.folder / "models").mkdir()
        words = [readers.find("ssh-keygen"), "-q", "-t", "ed25519", "-N", ""]
        subprocess.run([*words, "-f", self.folder / "key"], check=True)
        (self.folder / "ssh_config").write_text(CLIENT.format(folder=self.folder))
        # The user's own ~/.ssh/config is not read: this file stands in its place.
        wrapper = self.folder / "bin" / "ssh"
        wrapper.write_text(
            f'#!/bin/sh\nexec {readers.find("ssh")} -F {self.folder}/ssh_config "$@"\n'
        )
        wrapper.chmod(0o755)
        entries = {}
        for seed, name in enumerate(MODELS.values()):
            write_llama(self.folder / "models" / name, seed=seed)
            entries[f"file:{name}"] = Entry(read_model(self.folder / "models" / name, name))
        self.text = TEXT
        if readers.find("llama-swap") is None:
            self.doors["spark"], self.sparks = 4001, "/opt/llmgen"
            for old, new in INSTEAD:
                assert old in self.text
                self.text = self.text.replace(old, new)
        self.write(self.text)
        write_lock(self.folder / "llm.lock", Lock(entries))

    def _furnish(self, machine):
        """Programs, models and keys, as a person would have put them there."""
        for path in (self.folder / "models").iterdir():
            machine.path(f"/opt/models/{path.name}").write_bytes(path.read_bytes())
        for name in ADDRESSES:
            machine.path(f"/opt/keys/{name}").write_text(f"{key_of(name)}\n")
        machine.bring(readers.find("llama-server").parent, "/opt/llama")
        machine.bring(_envoy().parent, "/opt/envoy")
        if swap := readers.find("llama-swap"):
            machine.must("mkdir", "-p", "/opt/swap")
            machine.must("ln", "-s", swap.resolve(), "/opt/swap/llama-swap")
        machine.must("chmod", "-R", "a+rX", "/opt/models", "/opt/keys")

    def trust(self):
        """The person has seen every host's key."""
        known = "".join(machine.known() for machine in self.machines.values())
        (self.folder / "known_hosts").write_text(known)

    def write(self, text):
        (self.folder / "llm.toml").write_text(text)

    def edit(self, *changes):
        """The llm.toml of the lab with these changes."""
        text = self.text
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        self.write(text)

    def words(self, *words):
        own = [sys.executable, "-m", "llmgen", "-c", self.folder / "llm.toml", *words]
        return self.switch.words(*own)

    def environment(self):
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "LLMGEN_HOST": ""}

    def llmgen(self, *words, seconds=240):
        """What a person sees."""
        looks = threading.Timer(LATE_SECONDS, self._look)
        self.late = ""
        looks.start()
        try:
            return subprocess.run(
                self.words(*words),
                env=self.environment(),
                capture_output=True,
                text=True,
                check=False,
                timeout=seconds,
            )
        finally:
            looks.cancel()

    def _look(self):
        self.late = "\n".join(f"{name}:\n{item.busy()}" for name, item in self.machines.items())

    def started(self, *words):
        """The same, while it goes on."""
        return subprocess.Popen(
            self.words(*words),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def document(self, *words, seconds=240):
        """What a program reads."""
        done = self.llmgen(*words, "--json", seconds=seconds)
        try:
            found = json.loads(done.stdout)
        except ValueError:
            raise AssertionError(done.stdout + done.stderr) from None
        assert found["exit_code"] == done.returncode
        return found

    def must(self, *words):
        """The data of each host, where all went well."""
        found = self.document(*words)
        told = [(item["message"], item["notes"]) for item in found["diagnostics"]]
        assert found["exit_code"] == 0, (told, self.late, self.says())
        return {name: item["data"] for name, item in found["data"]["hosts"].items()}

    def says(self):
        """What every machine does, and did last."""
        return "\n".join(f"{name}:\n{item.says()}" for name, item in self.machines.items())

    def answer(self, host, model):
        """What a model says at the door of a host: HTTP's code and the document."""
        url = f"http://{ADDRESSES[host]}:{self.doors[host]}/v1/chat/completions"
        body = {"model": model, "max_tokens": 2, "messages": [{"role": "user", "content": "a"}]}
        words = ["curl", "-s", "-m", "60", "-w", "\n%{http_code}", url, "-d", json.dumps(body)]
        words += ["-H", f"Authorization: Bearer {key_of(host)}"]
        words += ["-H", "Content-Type: application/json"]
        done = subprocess.run(
            self.switch.words(*words), capture_output=True, text=True, check=False
        )
        text, _, code = done.stdout.rpartition("\n")
        return int(code), text

    def answers(self, host, model, seconds=90):
        """Whether it says something, before the time is over."""
        end = time.monotonic() + seconds
        while (found := self.answer(host, model))[0] != 200:
            if time.monotonic() > end:
                raise AssertionError((host, model, found))
            time.sleep(0.3)
        return bool(json.loads(found[1])["choices"])

    def uninstall(self):
        """As if nothing had ever been installed."""
        self.write(self.text)
        self.document("uninstall")
        for name, machine in self.machines.items():
            own = ("/etc/llmgen", "/var/lib/llmgen", "/home/ai/.config", "/home/ai/.local/state")
            machine.run("rm", "-rf", *own)
            if machine.login != "root":
                continue
            assert not machine.run("ls", "/etc/llmgen").stdout, name

    def end(self):
        for machine in self.machines.values():
            machine.end()
        self.switch.end()


def key_of(host):
    return f"sk-of-{host}-2718281828459045"


def _envoy():
    """The program itself: the wheel's script would need its own Python inside."""
    script = readers.find("envoy")
    below = script.resolve().parents[1].glob("lib/python*/site-packages/envoy/_bin/envoy")
    return next(iter(below), script)


def ended(process, seconds=200):
    """Exit code and words of a started llmgen."""
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err
