"""Programs of the stack itself whose answers never end, or nest: every command says why it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_stacks import write_stack

from llmgen.cli.boundary import root
from llmgen.operate.foreground.run import MARK, STACK

HOSTILE = Path(__file__).parents[1] / "hostile.py"
# Three answers at most are read of one program, each to its limit.
MOST = 3 * 48 * 2**20


@pytest.fixture(params=["endless", pytest.param("deep", marks=pytest.mark.thorough)])
def stack(request, tmp_path):
    """llm.toml, and a program that `up --foreground` could have started as its llama-swap."""
    values = write_stack(tmp_path, llama_server="/bin/true", llama_swap="/bin/true")
    whose = {MARK: "swap", STACK: json.dumps([str(tmp_path / "llm.toml")])}
    words = [sys.executable, HOSTILE, request.param, str(values["swap"])]
    running = subprocess.Popen(
        words, env={**os.environ, **whose}, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout.readline() == "up\n"
    yield tmp_path, request.param, running
    running.kill()
    running.wait()


def llmgen(folder, *words):
    state = {"XDG_STATE_HOME": str(folder / "xdg")}
    words = ["-c", str(folder / "llm.toml"), *words, "--json"]
    done = CliRunner(env=state).invoke(root, words)
    found = json.loads(done.stdout)
    assert done.exit_code == found["exit_code"]
    return found


@pytest.mark.sample(4)
def test_every_command_ends_and_names_the_limit(stack):
    folder, kind, running = stack
    code, words = {
        "endless": ("answer.size", "sends more than 32 MiB"),
        "deep": ("answer.depth", "nests deeper than 64 levels"),
    }[kind]
    for command in (("load", "one"), ("unload", "--all"), ("logs", "--model", "one")):
        found = llmgen(folder, *command)
        if kind == "deep" and command[0] == "logs":
            # A log is no JSON.
            continue
        (told,) = found["diagnostics"]
        assert (found["exit_code"], told["code"]) == (4, code), command
    found = llmgen(folder, "run", "one", "hello")
    assert found["diagnostics"][0]["code"] == "answer.no-completion"
    found = llmgen(folder, "status")
    assert found["exit_code"] == 1
    (told,) = [item for item in found["diagnostics"] if item["code"] == "status.dead-backend"]
    assert words in told["message"]
    running.send_signal(signal.SIGTERM)
    assert int(running.communicate()[0]) < 6 * MOST
