"""A host that sleeps answers through another one's llama-swap, which wakes it: two namespaces.

The sleeping machine has no address and no program that listens until its card has read the magic
packet, as a real one.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmgen.config.load import load, merged
from llmgen.config.source import parse
from llmgen.facts.lock_model import Lock
from llmgen.fleet.build import fleet
from llmgen.render.environment import make_render
from llmgen.targets import llama_swap

SWAP = shutil.which("llama-swap")
KEYS = {"STUDIO_KEY": "studio-secret", "BOX_KEY": "box-secret", "CLIENT_KEY": "client-secret"}
STAND_IN = Path(__file__).with_name("stand_in_server.py")
LLMGEN = Path(sys.executable).with_name("llmgen")
MAC = "02:00:00:00:00:42"
STACK = f"""
edition = 2
[paths]
home = "/srv"
llmgen = "{LLMGEN}"
[hardware]
os = "linux"
backend = "cpu"
memory = "16GiB"
reserve = "1GiB"
devices = []
[hosts.studio]
address = "10.78.0.1"
key = {{ env = "STUDIO_KEY" }}
services.llama_swap = {{ api_keys = [{{ env = "CLIENT_KEY" }}], log_to_stdout = "both" }}
[hosts.box]
address = "10.78.0.2"
key = {{ env = "BOX_KEY" }}
wake = {{ mac = "{MAC}", broadcast = "10.78.0.255", seconds = SECONDS }}
[models.here]
engine = "command"
cmd = ["{sys.executable}", "{STAND_IN}", "--port", "${{PORT}}", "here"]
check_endpoint = "/health"
memory = {{ host = "1GiB" }}
keep = "on_demand"
host = "studio"
[models.far]
engine = "command"
cmd = ["{sys.executable}", "{STAND_IN}", "--port", "${{PORT}}", "far"]
check_endpoint = "/health"
memory = {{ host = "1GiB" }}
keep = "on_demand"
aliases = ["also-far"]
host = "box"
"""
# The card of the sleeping machine: it reads frames, whatever is in them, and knows its own address.
CARD = """
import os, socket, subprocess, sys

mac, *door = sys.argv[1:]
magic = b"\\xff" * 6 + bytes.fromhex(mac.replace(":", "")) * 16
card = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
card.bind(("eth0", 0))
while magic not in card.recv(2048):
    pass
print("woken", flush=True)
subprocess.run(["sleep", "2"], check=True)
subprocess.run(["ip", "addr", "add", "10.78.0.2/24", "dev", "eth0"], check=True)
os.execv(door[0], door)
"""


def usable():
    if os.geteuid() or not all(map(shutil.which, ("ip", "nsenter", "unshare", "curl"))):
        return False
    words = [
        "unshare",
        "-n",
        "ip",
        "link",
        "add",
        "name",
        "here",
        "type",
        "veth",
        "peer",
        "name",
        "there",
    ]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.skipif(SWAP is None, reason="no llama-swap"),
    pytest.mark.skipif(not usable(), reason="needs root and network namespaces"),
]


@pytest.fixture
def machines():
    """Two namespaces with a cable between them; the words that run a program in each."""
    held = [subprocess.Popen(["unshare", "-n", "sleep", "600"]) for _ in range(2)]
    own = Path("/proc/self/ns/net").readlink()
    while any(Path(f"/proc/{item.pid}/ns/net").readlink() == own for item in held):
        time.sleep(0.02)
    studio, box = (("nsenter", "-t", str(item.pid), "-n") for item in held)
    pair = ["ip", "link", "add", "name", "eth0", "type", "veth", "peer", "name", "eth0"]
    for words in (
        (*studio, *pair, "address", MAC, "netns", str(held[1].pid)),
        (*studio, "ip", "addr", "add", "10.78.0.1/24", "broadcast", "10.78.0.255", "dev", "eth0"),
        (*studio, "ip", "link", "set", "eth0", "up"),
        (*studio, "ip", "link", "set", "lo", "up"),
        (*box, "ip", "link", "set", "eth0", "up"),
        (*box, "ip", "link", "set", "lo", "up"),
    ):
        subprocess.run(words, check=True, capture_output=True)
    yield {"studio": studio, "box": box}
    for item in held:
        item.kill()
        item.wait()


@contextlib.contextmanager
def started(words, log):
    with log.open("wb") as output:
        process = subprocess.Popen(
            words,
            env={"PATH": os.environ["PATH"], "HOME": str(log.parent), **KEYS},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


def configurations(folder, seconds=60):
    """The words that start llama-swap on each host, from its generated file."""
    source = parse("llm.toml", STACK.replace("SECONDS", str(seconds)))
    found = {}
    for name, member in fleet(load([source]), merged([source]), Lock()).members.items():
        (artifact,) = llama_swap.artifacts(member.plan, make_render())
        path = folder / f"{name}.yaml"
        path.write_bytes(artifact.content)
        listen = f"{member.config.services.llama_swap.listen}:8080"
        found[name] = (SWAP, "-config", str(path), "-listen", listen)
    return found


def asked(inside, model, key="client-secret", path="/v1/chat/completions", longest=60):
    """Status and body of a request to studio's llama-swap, from within its machine."""
    words = ["curl", "-s", "-m", str(longest), "-w", "\n%{http_code}"]
    words += ["-H", f"Authorization: Bearer {key}", "-H", "content-type: application/json"]
    body = json.dumps({"model": model, "messages": []})
    done = subprocess.run(
        [*inside, *words, "-d", body, f"http://10.78.0.1:8080{path}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    text, _, code = done.stdout.rpartition("\n")
    return int(code), text


def listening(inside):
    words = [*inside, "curl", "-s", "-m", "2", "-o", "/dev/null", "http://10.78.0.1:8080/health"]
    end = time.monotonic() + 20
    while subprocess.run(words, check=False).returncode:
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.thorough
def test_a_request_for_a_model_of_a_sleeping_host_wakes_it_and_is_answered(machines, tmp_path):
    words = configurations(tmp_path)
    card = [*machines["box"], sys.executable, "-c", CARD, MAC, *words["box"]]
    box_log = tmp_path / "box.log"
    with (
        started(card, box_log),
        started([*machines["studio"], *words["studio"]], tmp_path / "studio.log"),
    ):
        listening(machines["studio"])
        assert asked(machines["studio"], "here")[0] == 200
        assert "woken" not in box_log.read_text()
        code, text = asked(machines["studio"], "far")
        assert code == 200, (tmp_path / "studio.log").read_text() + box_log.read_text()
        assert "far" in json.loads(text)["words"]
        assert box_log.read_text().startswith("woken")
        # It is awake now, under its other name too; what is loaded here stays.
        begun = time.monotonic()
        assert asked(machines["studio"], "also-far")[0] == 200
        assert time.monotonic() - begun < 2
        assert '"here"' in _running(machines["studio"])
        assert asked(machines["studio"], "far", key="wrong")[0] == 401


@pytest.mark.thorough
def test_a_host_that_does_not_wake_up_is_an_error_in_the_stated_time(machines, tmp_path):
    words = configurations(tmp_path, seconds=3)
    with started([*machines["studio"], *words["studio"]], tmp_path / "studio.log"):
        listening(machines["studio"])
        begun = time.monotonic()
        code, _ = asked(machines["studio"], "far")
        assert code >= 500
        assert time.monotonic() - begun < 15
        assert asked(machines["studio"], "here")[0] == 200
    said = (tmp_path / "studio.log").read_text()
    assert "does not answer at http://10.78.0.2:8080/health" in said


def _running(inside):
    words = [*inside, "curl", "-s", "-H", "Authorization: Bearer client-secret"]
    done = subprocess.run(
        [*words, "http://10.78.0.1:8080/running"], capture_output=True, text=True, check=True
    )
    return done.stdout
