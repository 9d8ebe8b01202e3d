import json
import sys
from pathlib import Path

import pytest
import readers
from booted import Booted, until, why_not

sys.path.insert(0, str(Path(__file__).parents[1] / "operate"))

STACK = "/opt/stack"
ENVOY = """[gateway.envoy]
enable = true
port = {port}
admin_port = {admin}
api_keys = [{{ name = "bench", secret = {{ file = "{folder}/bench.key" }} }}]
[defaults]"""
KEY = "sk-planted-3141592653"


@pytest.fixture(scope="session")
def booted():
    reason = why_not()
    if reason:
        pytest.skip(f"no systemd can be booted here: {reason}")
    machine = Booted()
    yield machine
    machine.end()


class Stack:
    """A stack in the booted machine: its llm.toml, and the ways to operate and ask it."""

    def __init__(self, booted, folder=STACK, user=None, **settings):
        from tiny_stacks import write_stack  # noqa: PLC0415 - found by the line above

        self.booted, self.folder, self.user = booted, folder, user
        self.settings = settings
        self.outside = booted.path(folder)
        self.outside.mkdir(parents=True, exist_ok=True)
        self.values = write_stack(self.outside, seen_as=folder, **settings)
        booted.must("chmod", "-R", "a+rX", folder)

    def llmgen(self, *words):
        done = self.booted.llmgen(*words, "--json", folder=self.folder, user=self.user)
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise AssertionError(done.stdout + done.stderr) from None

    def must(self, *words):
        found = self.llmgen(*words)
        assert found["exit_code"] == 0, [
            (item["message"], item["notes"]) for item in found["diagnostics"]
        ]
        return found["data"]

    def edit(self, old, new):
        path = self.outside / "llm.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def get(self, port, path, body=None):
        words = [
            "curl",
            "-s",
            "--fail",
            f"http://127.0.0.1:{port}{path}",
            "-H",
            f"x-api-key: {KEY}",
        ]
        if body is not None:
            words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        done = self.booted.run(*words)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def chat(self, port, model):
        body = {"model": model, "max_tokens": 2, "messages": [{"role": "user", "content": "a"}]}
        return self.get(port, "/v1/chat/completions", body)

    def is_up(self, port):
        asked = self.booted.run("curl", "-s", "--fail", f"http://127.0.0.1:{port}/health")
        return asked.returncode == 0

    def holding_the_key(self, *folders):
        """Files below these folders in which the planted key stands."""
        words = ["grep", "-rlaF", KEY, *(name for name in folders if self.is_there(name))]
        return {*self.booted.run(*words).stdout.split()}

    def is_there(self, name):
        return self.booted.path(name).exists()

    def pid(self, unit):
        return self.booted.show(unit, "MainPID", self.user)


@pytest.fixture(scope="session")
def programs(booted):
    """llama-server and llama-swap where any user of the booted machine can run them."""
    missing = [name for name in ("llama-server", "llama-swap") if readers.find(name) is None]
    if missing:
        pytest.skip(f"`{missing[0]}` is missing")
    booted.bring(readers.find("llama-server").parent, "/opt/llama")
    booted.bring(readers.find("llama-swap").resolve().parent, "/opt/swap")
    return {
        "llama_server": "/opt/llama/llama-server",
        "llama_swap": f"/opt/swap/{readers.find('llama-swap').resolve().name}",
        "llmgen": "/opt/llmgen",
    }


def _envoy():
    """The program itself: the wheel's script would need its own Python inside."""
    script = readers.find("envoy")
    found = (
        [*script.resolve().parents[1].glob("lib/python*/site-packages/envoy/_bin/envoy")]
        if script
        else []
    )
    return found[0] if found else script


def _has_envoy(request):
    return getattr(request.module, "WITH_ENVOY", False) and readers.find("envoy") is not None


def _put_envoy_before(stack):
    stack.booted.bring(_envoy().parent, "/opt/envoy")
    first = stack.values["first"]
    ports = {"port": first + 7, "admin": first + 8}
    stack.edit("[defaults]", ENVOY.format(**ports, folder=stack.folder))
    stack.edit("[services]", 'envoy = "/opt/envoy/envoy"\n[services]')
    (stack.outside / "bench.key").write_text(f"{KEY}\n")


@pytest.fixture(scope="module")
def system(booted, programs, request):
    """A stack of system units, installed; with Envoy where the module says `WITH_ENVOY`."""
    booted.run("useradd", "--system", "--user-group", "llm")
    own = {"config": "/etc/llmgen", "state": "/var/lib/llmgen", "home": "/home/llm"}
    stack = Stack(booted, scope="system", **own, **programs)
    if _has_envoy(request):
        _put_envoy_before(stack)
        stack.edit("[defaults]", "[guard]\nenable = true\ninterval = 5\n[defaults]")
    assert stack.must("install", "--wait")["ready"]
    assert stack.is_up(stack.values["always"])
    yield stack
    stack.llmgen("uninstall")


@pytest.fixture(scope="module")
def personal(booted, programs, request):
    """A stack of user units under a real user manager, installed."""
    booted.must("useradd", "--create-home", "someone")
    booted.must("loginctl", "enable-linger", "someone")
    until(
        lambda: (
            booted.run(
                "systemctl", "--user", "is-active", "default.target", user="someone"
            ).returncode
            == 0
        )
    )
    home = "/home/someone"
    own = {"config": f"{home}/.config/llmgen", "state": f"{home}/.local/state/llmgen", "home": home}
    stack = Stack(booted, folder="/opt/own", user="someone", scope="user", **own, **programs)
    if _has_envoy(request):
        _put_envoy_before(stack)
    stack.must("install")
    until(lambda: stack.is_up(stack.values["always"]))
    yield stack
    stack.llmgen("uninstall")
