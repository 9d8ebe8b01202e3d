"""A real stack from an llm.toml: rendered, put in place below a folder, started as its units would."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import readers
from gguf_writer import RERANKER, write_llama
from making import config

from llmgen.artifacts import Tree
from llmgen.facts.local import read_model
from llmgen.plan.place import place
from llmgen.render.environment import make_render
from llmgen.resolve import references, resolve
from llmgen.targets.launch import launch
from llmgen.targets.selection import selected
from llmgen.targets.services import services

LLMGEN = Path(__file__).parents[2] / ".venv" / "bin" / "llmgen"

HEAD = """
edition = 1
[hardware]
host = "box"
os = "linux"
backend = "cpu"
memory = "16GiB"
reserve = "1GiB"
devices = []
threads = 1
[paths]
home = "{folder}/home"
models = "{folder}/models"
config = "{folder}/etc"
state = "{folder}/state"
runtime = "{folder}/run"
llama_server = "{llama_server}"
llama_swap = "{llama_swap}"
envoy = "{envoy}"
litellm = "{litellm}"
llmgen = "{llmgen}"
"""


def write_models(folder):
    """Tiny models with random weights, one of each role; two chat models with different weights."""
    folder.mkdir(parents=True, exist_ok=True)
    write_llama(folder / "chat.gguf", seed=1, context=16384)
    write_llama(folder / "coder.gguf", seed=2, context=4096)
    write_llama(folder / "long.gguf", seed=3, context=1048576)
    write_llama(folder / "embed.gguf", seed=4, more={"llama.pooling_type": 1})
    write_llama(folder / "rank.gguf", seed=5, architecture="qwen3", **RERANKER)


def configured(text, folder, head=HEAD):
    """The config of ``text`` on a small machine without a GPU, all paths below ``folder``."""
    return config(text, head=head.format(folder=folder, llmgen=LLMGEN, **programs()))


def programs():
    """The real servers; those that are missing are where they would be."""
    names = ("llama-server", "llama-swap", "envoy", "litellm")
    found = {name: readers.find(name) or f"/usr/local/bin/{name}" for name in names}
    return {name.replace("-", "_"): str(path) for name, path in found.items()}


def tree_of(chosen, folder):
    """The plan and the rendered tree of a config whose models are below ``folder``."""
    models = Path(folder) / "models"
    # Checkpoints of other engines have facts of another kind, and are planned without.
    files = (ref for ref in references(chosen) if ref.startswith("file:"))
    known = {ref: read_model(models / ref.removeprefix("file:")) for ref in files}
    plan = place(resolve(chosen, known))
    render = make_render()
    found = (item for target in selected(plan) for item in target.artifacts(plan, render))
    return plan, Tree(found)


def install(tree):
    """Write every artifact that has a place on the machine."""
    for item in tree:
        if item.install is None:
            continue
        path = Path(item.install)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        beside.write_bytes(item.content)
        beside.chmod(item.mode)
        beside.replace(path)


class Stack:
    """The services of a plan, each a process group of its own with its log in a file."""

    # Started by who needs it.
    later = ("litellm",)

    def __init__(self, chosen, folder, environment=None):
        self.folder, self.environment = Path(folder), environment or {}
        for name in ("home", "state", "logs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.processes = {}
        self.apply(chosen)

    def apply(self, chosen):
        """Render and install an llm.toml (text or config); running services are not touched."""
        if isinstance(chosen, str):
            chosen = configured(chosen, self.folder)
        self.plan, self.tree = tree_of(chosen, self.folder)
        install(self.tree)
        self.services = {item.name: item for item in services(self.plan)}

    def __enter__(self):
        try:
            names = [name for name in self.services if name not in self.later]
            for name in names:
                self.start(name)
            for name in names:
                self.wait(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in reversed(list(self.processes)):
            self.stop(name, wait=False)
        for process in self.processes.values():
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def variables(self, service):
        plain = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
        plain |= {"HOME": str(self.folder / "home")} | dict(service.environment) | self.environment
        for file in (service.environment_file, service.made_file):
            if file and Path(file).exists():
                plain |= environment_file(Path(file))
        return plain

    def before(self, name):
        """Run what a unit's ExecStartPre would."""
        for words in self.services[name].before:
            self.run(words, self.variables(self.services[name]))

    def run(self, words, variables=None):
        done = subprocess.run(
            words, env=variables, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, (words, done.stderr[-2000:])
        return done

    def start(self, name):
        self.before(name)
        service = self.services[name]
        with (self.folder / "logs" / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self.words(service),
                env=self.variables(service),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A group to signal, but the caller's session: the kernel shares the processor out by
                # session (sched_autogroup), which would put a measured server at a disadvantage.
                process_group=0,
            )

    def words(self, service):
        """What starts a service."""
        return launch(service, self.plan.library.layout, credentials=False)

    def stop(self, name, how=signal.SIGTERM, *, wait=True):
        process = self.processes[name]
        if process.poll() is None:
            os.killpg(process.pid, how)
        if wait:
            process.wait(20)

    def log(self, name):
        return (self.folder / "logs" / f"{name}.log").read_text("utf-8", "replace")

    def wait(self, name, seconds=40):
        url = self.health(name)
        until(lambda: self.answers(name, url), seconds, lambda: self.log(name)[-3000:])

    def answers(self, name, url):
        assert self.processes[name].poll() is None, self.log(name)[-3000:]
        return get(url)[0] == 200

    def health(self, name):
        table = self.plan.library.config
        match name:
            case "envoy":
                return f"http://127.0.0.1:{table.gateway.envoy.admin_port}/ready"
            case "litellm":
                return f"http://127.0.0.1:{table.gateway.litellm.port}/health/liveliness"
            case "swap":
                return f"http://127.0.0.1:{table.services.llama_swap.port}/health"
            case "router":
                return f"http://127.0.0.1:{table.services.router.port}/health"
        argv = self.services[name].argv
        environment = environment_file(self.services[name].environment_file)
        port = environment.get("LLAMA_ARG_PORT") or argv[argv.index("--port") + 1]
        return f"http://127.0.0.1:{port}/health"


def environment_file(path):
    """Variables of an environment file, read by a shell."""
    script = 'set -a; . "$1"; env -0'
    done = subprocess.run(["sh", "-c", script, "sh", path], env={}, capture_output=True, check=True)
    pairs = (item.partition("=") for item in done.stdout.decode().split("\0") if item)
    return {key: value for key, _, value in pairs if key not in ("PWD", "OLDPWD", "_", "SHLVL")}


def until(true, seconds, otherwise=lambda: ""):
    """Wait until ``true()``; an AssertionError with ``otherwise()`` after ``seconds``."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, otherwise()
        time.sleep(0.05)


def get(url, **headers):
    """Status and body of a GET; status 0 when nothing answers."""
    return _open(urllib.request.Request(url, headers=_names(headers)))


def post(url, body, timeout=30, **headers):
    """Status, body and headers of a POST of JSON (or of bytes)."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {"content-type": "application/json", **_names(headers)}
    return _open(urllib.request.Request(url, data, names), timeout)


def _names(headers):
    return {key.replace("_", "-"): value for key, value in headers.items()}


def _open(request, timeout=10):
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers
    except OSError as error:
        return 0, str(error), {}
