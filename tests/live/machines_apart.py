"""Machines of one test: network namespaces on one bridge, each with the stack of its host."""

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import stack as live

from llmgen.config.load import load, merged
from llmgen.config.source import parse
from llmgen.facts.local import read_model
from llmgen.facts.lock_model import Entry, Lock
from llmgen.fleet.build import fleet
from llmgen.resolve import references

TOOLS = ("ip", "nsenter", "unshare", "curl", "openssl")


def usable():
    """Whether this machine lets the test make namespaces, and a bridge between them."""
    if os.geteuid() or not all(map(shutil.which, TOOLS)):
        return False
    words = ["unshare", "-n", "ip", "link", "add", "name", "lan", "type", "bridge"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def namespaces(addresses):
    """A way into each of them by name, and into the one that is all others' switch."""
    held = {name: _namespace() for name in ("switch", *addresses)}
    inside = {name: ("nsenter", "-t", str(item.pid), "-n") for name, item in held.items()}

    def run(name, *words):
        subprocess.run([*inside[name], *words], check=True, capture_output=True)

    try:
        run("switch", *["ip", "link", "add", "name", "lan", "type", "bridge"])
        run("switch", *["ip", "addr", "add", "10.77.0.254/24", "dev", "lan"])
        run("switch", *["ip", "link", "set", "lan", "up"])
        for number, (name, address) in enumerate(addresses.items()):
            here, there = f"port{number}", str(held[name].pid)
            pair = ["ip", "link", "add", "name", here, "type", "veth"]
            run("switch", *pair, "peer", "name", "eth0", "netns", there)
            run("switch", "ip", "link", "set", here, "master", "lan", "up")
            run(name, "ip", "addr", "add", f"{address}/24", "dev", "eth0")
            run(name, "ip", "link", "set", "eth0", "up")
            run(name, "ip", "link", "set", "lo", "up")
        yield inside
    finally:
        for item in held.values():
            item.kill()
            item.wait()


def _namespace():
    held = subprocess.Popen(["unshare", "-n", "sleep", "3600"])
    own = Path("/proc/self/ns/net").readlink()
    live.until(lambda: Path(f"/proc/{held.pid}/ns/net").readlink() != own, 5)
    return held


class Machine(live.Stack):
    """The stack of one host, within its namespace."""

    def __init__(self, inside, config, folder, environment):
        self.inside = inside
        super().__init__(config, folder, environment)

    def words(self, service):
        return (*self.inside, *super().words(service))

    def health(self, name):
        services = self.plan.library.config.services
        told = {"swap": services.llama_swap.listen, "router": services.router.listen}
        return super().health(name).replace("127.0.0.1", told.get(name, "127.0.0.1"))

    def answers(self, name, url):
        assert self.processes[name].poll() is None, self.log(name)[-3000:]
        done = subprocess.run(
            [*self.inside, "curl", "-sf", "-m", "5", url], capture_output=True, check=False
        )
        return done.returncode == 0


def ask(inside, url, body=None, *, key="", more=(), seconds=60):
    """Status and text of a request from a namespace; status 0 when nothing (whole) comes back."""
    words = [*inside, "curl", "-s", "--http1.1", "-m", str(seconds), "-w", "\n%{http_code}", *more]
    if key:
        words += ["-H", f"authorization: Bearer {key}"]
    if body is not None:
        words += ["-H", "content-type: application/json", "-d", json.dumps(body)]
    done = subprocess.run([*words, url], capture_output=True, text=True, check=False)
    text, _, status = done.stdout.rpartition("\n")
    return (int(status) if done.returncode == 0 else 0), text


def members(text, models):
    """Every host's config, of an llm.toml whose models are in a folder."""
    source = parse("llm.toml", text)
    config = load([source])
    refs = (ref for ref in references(config) if ref.startswith("file:"))
    entries = {ref: Entry(read_model(models / ref.removeprefix("file:"))) for ref in refs}
    return fleet(config, merged([source]), Lock(entries)).members
