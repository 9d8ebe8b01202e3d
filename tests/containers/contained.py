"""A small stack for containers: an always-on model, two that llama-swap loads, Envoy with a key."""

import json
import re
import sys
from pathlib import Path

from gguf_writer import write_llama
from readers import images

from llmgen.facts.local import read_model
from llmgen.facts.lock import Entry, Lock, write_lock

sys.path.insert(0, str(Path(__file__).parents[1] / "systemd"))

from booted import until

FOLDER = "/opt/stack"
KEY, SERVERS_KEY = "sk-planted-2718281828", "sk-planted-1414213562"
GATEWAY, SWAP, ALWAYS = 8080, 8090, 9100
TEXT = f"""\
edition = 2
[hardware]
os = "linux"
backend = "cpu"
memory = "16GiB"
reserve = "1GiB"
process_overhead = "64MiB"
disk_bandwidth = "1GiB"
threads = 1
devices = []
[paths]
home = "/root"
models = "{FOLDER}/models"
config = "/etc/llmgen"
state = "/var/lib/llmgen"
runtime = "/run/llmgen"
llama_server = "/opt/llama/llama-server"
llama_swap = "/opt/swap/llama-swap"
envoy = "/opt/envoy/envoy"
llmgen = "/opt/llmgen"
[services]
scope = "system"
user = "root"
runtime = "RUNTIME"
start_port = {ALWAYS}
api_key = {{ file = "{FOLDER}/servers.key" }}
[services.llama_swap]
port = {SWAP}
start_port = {SWAP + 1}
[containers]
program = "podman"
user = "10001:10001"
image = "{images.NAME}"
llama_swap_image = "{images.NAME}"
envoy_image = "{images.NAME}"
[gateway.envoy]
enable = true
port = {GATEWAY}
admin_port = {GATEWAY + 1}
api_keys = [{{ name = "bench", secret = {{ file = "{FOLDER}/bench.key" }} }}]
[guard]
enable = true
interval = 20
[defaults]
ctx_size = 512
cache_ram = 0
[models.always]
model = "a.gguf"
keep = "always"
aliases = ["gpt-always"]
[models.one]
model = "b.gguf"
aliases = ["gpt-one"]
ctx_size = 2048
[models.two]
model = "c.gguf"
"""
FILES = ("a.gguf", "b.gguf", "c.gguf")


def bring_programs(machine):
    """The readers' programs where the native stack starts them."""
    for name, folder in (("llama-server", "llama"), ("llama-swap", "swap"), ("envoy", "envoy")):
        machine.bring(images.binary(name).resolve().parent, f"/opt/{folder}")


class Contained:
    """The stack in a booted machine with podman, and the ways to operate and ask it."""

    def __init__(self, machine, runtime):
        self.machine, self.runtime, self.outside = machine, runtime, machine.path(FOLDER)
        self.outside.mkdir(parents=True, exist_ok=True)
        for seed, name in enumerate(FILES):
            write_llama(self.outside / "models" / name, seed=seed)
        models = {name: read_model(self.outside / "models" / name, name) for name in FILES}
        write_lock(
            self.outside / "llm.lock",
            Lock({f"file:{name}": Entry(item) for name, item in models.items()}),
        )
        (self.outside / "bench.key").write_text(f"{KEY}\n")
        (self.outside / "servers.key").write_text(f"{SERVERS_KEY}\n")
        (self.outside / "llm.toml").write_text(TEXT.replace("RUNTIME", runtime))
        machine.must("chmod", "-R", "a+rX", FOLDER)
        machine.must("chmod", "600", f"{FOLDER}/bench.key", f"{FOLDER}/servers.key")

    def edit(self, old, new):
        """Change llm.toml."""
        path = self.outside / "llm.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def move(self, runtime):
        """Say in llm.toml that the services run in another runtime."""
        path = self.outside / "llm.toml"
        line = re.compile(r'^runtime = "(native|compose|quadlet)"$', re.MULTILINE)
        path.write_text(line.sub(f'runtime = "{runtime}"', path.read_text()))

    def proof(self):
        """The installed plan.json."""
        return json.loads(self.machine.path("/etc/llmgen/plan.json").read_text())

    def llmgen(self, *words):
        """A command's document."""
        # In front of the rest: `tool` hands on what stands behind its tool's name.
        done = self.machine.llmgen(words[0], "--json", *words[1:], folder=FOLDER)
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise AssertionError(done.stdout + done.stderr) from None

    def must(self, *words):
        """The data of a command that has to succeed."""
        found = self.llmgen(*words)
        assert found["exit_code"] == 0, [
            (item["message"], item["notes"]) for item in found["diagnostics"]
        ]
        return found["data"]

    def ask(self, path, body=None, *, key=KEY):
        """(status, document) of Envoy's answer on the machine's own port."""
        words = [
            "curl",
            "-s",
            "-w",
            "\n%{http_code}",
            f"http://127.0.0.1:{GATEWAY}{path}",
            "-H",
            f"x-api-key: {key}",
        ]
        if body is not None:
            words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        text, _, status = self.machine.run(*words).stdout.rpartition("\n")
        try:
            return int(status), json.loads(text)
        except ValueError:
            return int(status or 0), text

    def chat(self, model):
        body = {"model": model, "max_tokens": 2, "messages": [{"role": "user", "content": "a"}]}
        return self.ask("/v1/chat/completions", body)

    def answers(self, model):
        """Wait until a chat by this name has an answer; the model that gave it."""
        return until(lambda: (found := self.chat(model))[0] == 200 and found[1]["model"], 120)

    def memory_limit(self, name):
        """The lowest memory limit in bytes of the cgroups above a container's process."""
        lines = self.machine.must("cat", f"/proc/{self.pid(name)}/cgroup").splitlines()
        found = []
        for _, controllers, path in (line.split(":", 2) for line in lines):
            if controllers not in ("", "memory"):
                continue
            place = Path("/sys/fs/cgroup", *(("memory",) if controllers else ()))
            own = place / path.lstrip("/")
            for folder in (own, *own.parents):
                if folder.is_relative_to(place):
                    files = (folder / "memory.limit_in_bytes", folder / "memory.max")
                    found += self.machine.run("cat", *files).stdout.split()
        return min(int(text) for text in found if text.isdigit())

    def runs(self, name):
        """Whether a container is up."""
        return name in self.machine.podman("ps", "--format={{.Names}}").split()

    def pid(self, name):
        """The process of a container on the machine."""
        return int(self.machine.podman("inspect", "--format={{.State.Pid}}", name))
