"""load, unload and run against the real llama-swap and the real router."""

import json
import os
import signal
import socket
import threading
import time

import pytest
from click.testing import CliRunner
from tiny_stacks import Foreground, write_stack

from llmgen.cli.boundary import root
from llmgen.operate.foreground import run as foreground

pytestmark = [pytest.mark.reader("llama-server"), pytest.mark.reader("llama-swap")]


@pytest.fixture(scope="module", params=["llama_swap", "router"])
def stack(request, tmp_path_factory):
    # Of random weights an answer may be blank: with a seed it is always the same one.
    seeded = ('aliases = ["gpt-one"]', 'aliases = ["gpt-one"]\nsampling.seed = 1')
    folder = tmp_path_factory.mktemp(request.param)
    found = Foreground(folder, on_demand=request.param, changed=[seeded])
    yield found
    found.end()


@pytest.mark.sample(2)
def test_load_by_alias_and_unload(stack):
    assert stack.llmgen("load", "gpt-one")["loaded"] == ["one"]
    assert stack.llmgen("load", "two")["loaded"] == ["one", "two"]
    assert stack.llmgen("unload", "gpt-one")["loaded"] == ["two"]
    assert stack.llmgen("unload", "--all")["loaded"] == []
    assert stack.llmgen("unload", "--all")["loaded"] == []


def test_unknown_model_is_refused_by_name(stack):
    done = CliRunner().invoke(root, [*stack.options(), "load", "gpt-on"])
    assert done.exit_code == 4
    assert "no model answers to `gpt-on`" in done.stderr
    assert "did you mean `gpt-one`?" in done.stderr


def test_always_on_model_is_a_service_and_no_load(stack):
    for word in ("load", "unload"):
        done = CliRunner().invoke(root, [*stack.options(), word, "always", "--json"])
        found = json.loads(done.stdout)
        codes = [item["code"] for item in found["diagnostics"]]
        assert (done.exit_code, codes) == (4, ["operate.always-on"])


def test_run_answers_from_both_kinds_of_model(stack):
    for name in ("gpt-one", "always"):
        answer = stack.llmgen("run", name, "hello", "--max-tokens", "8")
        assert answer["model"] == name
        assert answer["answer"]


def test_run_streams_to_standard_output(stack):
    words = [*stack.options(), "run", "one", "--max-tokens", "8"]
    done = CliRunner().invoke(root, words, input="hello")
    assert done.exit_code == 0
    assert done.stdout.strip()


def test_status_knows_a_loaded_model(stack):
    stack.llmgen("load", "one")
    rows = {row["name"]: row for row in stack.llmgen("status")["models"]}
    assert (rows["one"]["context"], rows["one"]["command_is_wanted"]) == (512, True)
    assert rows["one"]["memory"] > 0


def test_probe_counts_the_pieces_of_what_is_loaded(stack):
    stack.llmgen("unload", "--all")
    stack.llmgen("load", "one")
    # Models of random weights end an answer before its eight tokens at times.
    for _ in range(5):
        rows = stack.llmgen("status", "--probe")["probes"]
        assert {row["model"] for row in rows} == {"always", "one"}
        if all(row["chunks"] > 1 and row["tokens"] == 8 for row in rows):
            break
    assert all(row["chunks"] > 1 and row["tokens"] == 8 and not row["error"] for row in rows)
    assert all(0 < row["first_seconds"] < 60 for row in rows)
    loaded = {row["name"] for row in stack.llmgen("status")["models"] if row["state"] != "unloaded"}
    assert loaded == {"always", "one"}


def test_unload_during_a_swap_leaves_nothing(stack):
    ends = threading.Event()

    def ask():
        while not ends.is_set():
            stack.get(stack.values["swap"], "/upstream/two/health")
            ends.wait(0.4)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.3)
    ends.set()
    assert stack.llmgen("unload", "--all")["loaded"] == []
    asking.join()


def test_foreground_ends_cleanly(tmp_path):
    stack = Foreground(tmp_path)
    before = json.loads(stack.get(stack.values["swap"], "/running"))
    assert before == {"running": []}
    stack.until(lambda: "^C here ends" in (tmp_path / "up.log").read_text())
    told = (tmp_path / "up.log").read_text()
    url = f"http://127.0.0.1:{stack.values['swap']}/v1"
    assert f"ready: {url} answers to always, one, gpt-one, two, three" in told
    assert 'llmgen run always "Say hello"' in told
    stack.llmgen("load", "one")
    up = [*stack.options(), "up", "--foreground"]
    assert CliRunner().invoke(root, [*up, "--if-down"]).exit_code == 0
    done = CliRunner().invoke(root, up)
    assert (done.exit_code, "operate.already-up" in done.stderr) == (4, True)
    # Whatever this user has really installed is another installation.
    elsewhere = {"XDG_STATE_HOME": str(tmp_path)}
    done = CliRunner(env=elsewhere).invoke(root, [*stack.options(), "down"])
    assert (done.exit_code, "operate.already-up" in done.stderr) == (4, True)
    code, log = stack.end(signal.SIGINT)
    assert code == 0
    lines = log.splitlines()
    assert lines.index("swap         | stopping") < lines.index("model-always | stopping")
    for port in (stack.values["always"], stack.values["swap"], stack.values["first"]):
        assert stack.get(port, "/health") is None
    assert not [name for name in os.listdir("/proc") if name.isdigit() and _uses(name, tmp_path)]


def _uses(pid, folder):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return str(folder).encode() in file.read() and int(pid) != os.getpid()
    except OSError:
        return False


def test_port_of_another_program_is_named_before_anything_starts(tmp_path):
    values = write_stack(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", values["swap"]))
        other.listen()
        words = ["-c", str(tmp_path / "llm.toml"), "up", "--foreground"]
        done = CliRunner().invoke(root, words)
    assert (done.exit_code, done.stdout) == (4, "")
    assert f"port {values['swap']} of `swap` is taken by `python" in done.stderr


def test_program_that_will_not_stay_ends_the_stack(tmp_path, monkeypatch):
    monkeypatch.setattr(foreground, "PAUSE_SECONDS", 0.01)
    write_stack(tmp_path, llama_server="/bin/false")
    words = ["-c", str(tmp_path / "llm.toml"), "up", "--foreground"]
    done = CliRunner().invoke(root, words)
    assert done.exit_code == 4
    assert "`model-always` ended 5 times in a row, last with exit code 1" in done.stderr
    assert done.stdout.count("model-always | started, process") == 5
