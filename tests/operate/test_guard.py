"""guard in a memory-limited cgroup: pinned and busy stay, the longest idle model goes."""

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from tiny_stacks import Foreground, write_stack

from llmgen.cli.boundary import root
from llmgen.operate.guard.evict import LoadedModel, first, verdicts
from llmgen.operate.guard.pressure import of_mac, of_psi, of_usage

V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
# Its answers never end.
BUSY = 'model = "c.gguf"\ncontext_shift = true'


def candidate(model, idle, *, busy=False, state="ready"):
    return LoadedModel(model, state, busy, idle)


def test_longest_idle_goes_first():
    found = [candidate("new", 100), candidate("old", 300), candidate("mid", 200)]
    assert first(verdicts(found, (), 60)) == "old"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (candidate("x", 999, busy=True), "busy"),
        (candidate("x", 999, state="starting"), "starting"),
        (candidate("x", 59), "idle for 59 s, less than 60 s"),
        (candidate("x", None), "its idle time is not known"),
    ],
)
def test_model_that_stays_says_why(found, why):
    (only,) = verdicts([found], (), 60)
    assert (only.may_go, only.why) == (False, why)


def test_pinned_never_goes():
    (only,) = verdicts([candidate("x", 999)], {"x"}, 0)
    assert (only.may_go, only.why) == (False, "pinned")


def test_readings_say_when_memory_is_short():
    assert of_usage("cgroup", 90, 100, 90).is_short
    assert not of_usage("cgroup", 89, 100, 90).is_short
    assert of_psi("host", "some avg10=12.50 avg60=1 avg300=0 total=1\nfull avg10=0").is_short
    assert not of_psi("host", "some avg10=0.50 avg60=99 avg300=0 total=1\n").is_short
    assert of_psi("host", "") is None
    assert [of_mac(level).is_short for level in (1, 2, 4)] == [False, False, True]


def test_engine_that_does_not_run_has_nothing_to_unload(tmp_path):
    write_stack(tmp_path, llama_server="/bin/true", llama_swap="/bin/true")
    done = CliRunner().invoke(root, ["-c", str(tmp_path / "llm.toml"), "guard", "--json"])
    found = json.loads(done.stdout)
    assert (done.exit_code, found["data"]["models"]) == (0, [])
    assert found["data"]["readings"]


class Limited:
    """A memory cgroup of either version for the stack's processes."""

    def __init__(self):
        is_v1 = V1.is_dir()
        top = V1 if is_v1 else V2
        self.path = top / f"llmgen-guard-{os.getpid()}"
        self.limit = self.path / ("memory.limit_in_bytes" if is_v1 else "memory.max")
        self.usage = self.path / ("memory.usage_in_bytes" if is_v1 else "memory.current")
        self.is_v1 = is_v1
        self.path.mkdir()

    @property
    def around(self):
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs; exec "$@"', "sh"]

    def kept(self):
        rows = dict(line.split() for line in (self.path / "memory.stat").read_text().splitlines())
        name = "total_inactive_file" if self.is_v1 else "inactive_file"
        return int(self.usage.read_text()) - int(rows[name])

    def press(self):
        """Set a limit of which the processes hold a little more than the threshold."""
        self.limit.write_text(str(int(self.kept() / 0.78)))

    def relax(self):
        self.limit.write_text("-1" if self.is_v1 else "max")

    def kill(self, word):
        """End the programs that have this word in their command lines."""
        for pid in (self.path / "cgroup.procs").read_text().split():
            with contextlib.suppress(psutil.Error):
                if any(word in part for part in psutil.Process(int(pid)).cmdline()):
                    psutil.Process(int(pid)).kill()

    def end(self):
        """Also what the kernel left over after it had killed a parent for memory."""
        for pid in (self.path / "cgroup.procs").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                self.path.rmdir()
            except OSError:
                time.sleep(0.1)
            else:
                return


@pytest.fixture
def limited():
    if os.geteuid() != 0:
        pytest.skip("needs root to make a cgroup")
    if psutil.virtual_memory().percent > 70:
        pytest.skip("this machine's own memory is short")
    try:
        made = Limited()
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made: {error}")
    if not made.limit.exists():
        made.end()
        pytest.skip("no memory controller for cgroups here")
    yield made
    made.end()


@contextlib.contextmanager
def asked(stack, model, tokens=2):
    """A request; llama-swap would keep a stream in memory, and the router sees the end of no other."""
    stream = stack.values["on_demand"] == "router"
    body = {"model": model, "prompt": "a", "n_predict": tokens, "ignore_eos": True}
    client = http.client.HTTPConnection("127.0.0.1", stack.values["swap"], timeout=60)
    with contextlib.closing(client):
        headers = {"Content-Type": "application/json"}
        client.request("POST", "/v1/completions", json.dumps(body | {"stream": stream}), headers)
        yield client


@contextlib.contextmanager
def busy(stack, model):
    """Meanwhile a model gives an answer that does not end."""
    with asked(stack, model, -1) as client:
        connection = client.sock
        reading = threading.Thread(target=read, args=(client,))
        reading.start()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            reading.join()


def read(client):
    with contextlib.suppress(OSError, http.client.HTTPException), client.getresponse() as answer:
        while answer.read(4096):
            pass


def ask(stack, model):
    with asked(stack, model) as client, client.getresponse() as answer:
        assert answer.status == 200, answer.read()


# Meanwhile an answer without an end takes a whole core. `top` sees a real one unloaded in the quick tests.
@pytest.mark.thorough
@pytest.mark.reader("llama-server")
@pytest.mark.reader("llama-swap")
@pytest.mark.parametrize("engine", ["llama_swap", "router"])
def test_oldest_idle_model_goes_and_pinned_and_busy_stay(tmp_path, limited, engine):
    more = "[guard]\nthreshold = 75\nmin_idle = 0\n"
    # Router mode pins nothing, and llm.toml says so.
    pinned = ["one"] if engine == "llama_swap" else []
    changed = [('aliases = ["gpt-one"]', "pin = true")] if pinned else []
    changed += [('model = "c.gguf"', BUSY)]
    stack = Foreground(
        tmp_path, around=limited.around, on_demand=engine, extra=more, changed=changed
    )
    try:
        _check(stack, limited, pinned)
    finally:
        limited.relax()
        stack.end()


def _check(stack, limited, pinned):
    for model in (*pinned, "three", "four"):
        ask(stack, model)
        stack.llmgen("guard")
        # Of two that were last used in one second none is the older one.
        time.sleep(1.5)
    with busy(stack, "two"):
        stack.until(lambda: reasons(stack.llmgen("guard")).get("two") == "busy")
        assert stack.llmgen("guard")["unloaded"] == []
        limited.press()
        planned = stack.llmgen("guard", "--dry-run")
        assert (planned["would_unload"], planned["unloaded"]) == ("three", [])
        why = reasons(planned)
        assert why["two"] == "busy"
        assert [why[name] for name in pinned] == ["pinned" for _ in pinned]
        done = stack.llmgen("guard")
        assert done["unloaded"][:1] == ["three"]
        limited.press()
        stack.llmgen("guard")
        limited.press()
        done = stack.llmgen("guard")
        assert (done["short"], done["unloaded"]) == (True, [])
        assert {row["model"] for row in done["models"]} == {*pinned, "two"}
        # An engine waits half a minute for an answer that does not end, and the answer grows on.
        limited.relax()
        limited.kill("c.gguf")


def reasons(found):
    return {row["model"]: row["why"] for row in found["models"]}


@pytest.mark.reader("llama-server")
@pytest.mark.reader("llama-swap")
@pytest.mark.parametrize(("cache", "may_start"), [("0", True), ("20TiB", False)])
def test_gate_asks_whether_the_memory_is_there(tmp_path, cache, may_start):
    changed = [
        ("cache_ram = 0", f'cache_ram = "{cache}"'),
        ('memory = "16GiB"', 'memory = "999TiB"'),
    ]
    write_stack(tmp_path, changed=changed)
    words = ["-c", str(tmp_path / "llm.toml"), "guard", "--gate", "one", "--json"]
    done = CliRunner().invoke(root, words)
    found = json.loads(done.stdout)
    assert found["data"] == {"may_start": may_start}, found
    assert done.exit_code == (0 if may_start else 1)
