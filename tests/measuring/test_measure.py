"""``llmgen measure`` beside the kernel's own accounting, and nothing left whatever ends it."""

import json
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from llmgen.facts.lock import read_lock
from measuring.conftest import Counted, Measured

pytestmark = [pytest.mark.thorough, pytest.mark.reader("llama-server")]
MIB = 2**20


def test_measured_is_what_the_kernel_counts(tmp_path, server):
    # 2**20 tokens of 2 layers with 32 elements of K and V each, in f16: 256 MiB that are touched.
    measured = Measured(tmp_path, server, ctx_size=2**20)
    # Libraries that nobody has read yet would be charged to the first cgroup that does.
    for path in filter(Path.is_file, server.parent.iterdir()):
        path.read_bytes()
    counted = Counted(measured)
    counted.start()
    found = measured.run("measure", "tiny")["data"]
    counted.over.set()
    counted.join()
    seen = found["run"]["peak"]["host"]
    assert counted.share > 256 * MIB
    assert seen == pytest.approx(counted.share, rel=0.01)
    # The kernel's own peak, less what other processes share of the same pages.
    assert seen == pytest.approx(counted.resident, rel=0.05)
    if found["seen"]["cgroup_peak"]:
        # A cgroup counts what its processes touched first: not libraries that were there before.
        assert found["seen"]["cgroup_peak"] == pytest.approx(seen - counted.file, rel=0.01)
    assert list(measured.processes()) == []


def test_lock_keeps_the_run_and_show_explains_it(tmp_path, server):
    measured = Measured(tmp_path, server)
    run = measured.run("measure", "tiny")["data"]["run"]
    assert read_lock(tmp_path / "llm.lock").runs["tiny"].peak == run["peak"]
    assert run["program"].startswith("llama-server ")
    (row,) = measured.run("show", "--explain")["data"]["explained"]["measured"]
    assert row["measured"] == run["peak"]["host"]
    assert row["is_current"]
    assert measured.run("lock")["data"]["changed"] is False
    text = (tmp_path / "llm.toml").read_text()
    (tmp_path / "llm.toml").write_text(text.replace("ctx_size = 512", "ctx_size = 1024"))
    (row,) = measured.run("show", "--explain")["data"]["explained"]["measured"]
    assert not row["is_current"]


def wait(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


# As soon as the server is there, and when it has been asked.
@pytest.mark.parametrize("after", [0.0, 2.0])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP])
def test_nothing_is_left_behind(tmp_path, server, number, after):
    measured = Measured(tmp_path, server)
    before = (tmp_path / "llm.lock").read_bytes()
    process = measured.start("measure", "tiny")
    wait(lambda: any(measured.servers()))
    time.sleep(after)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode != 0
    wait(lambda: not list(measured.processes()), 30)
    assert (tmp_path / "llm.lock").read_bytes() == before


def test_nothing_is_left_when_the_keeper_is_killed(tmp_path, server):
    measured = Measured(tmp_path, server)
    process = measured.start("measure", "tiny")
    wait(lambda: any(measured.servers()))
    (keeper,) = psutil.Process(process.pid).children()
    keeper.kill()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 4
    assert b"ended" in said
    assert list(measured.processes()) == []


STUBBORN = """#!{python}
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        time.sleep(600)
    os._exit(0)
time.sleep(600)
"""


def test_servers_that_hide_their_children_and_ignore_signals_are_ended_too(tmp_path, server):
    program = tmp_path / "stubborn-stand-in"
    program.write_text(STUBBORN.format(python=sys.executable))
    program.chmod(0o755)
    measured = Measured(tmp_path, program)
    process = measured.start("measure", "tiny")
    wait(lambda: len(list(measured.processes())) >= 3)
    process.kill()
    process.communicate(timeout=60)
    wait(lambda: not list(measured.processes()), 40)


def test_server_that_ends_is_told_with_its_last_words(tmp_path, server):
    program = tmp_path / "broken-stand-in"
    program.write_text("#!/bin/sh\necho no such model >&2\nexit 3\n")
    program.chmod(0o755)
    measured = Measured(tmp_path, program)
    (told,) = measured.run("measure", "tiny", code=4)["diagnostics"]
    assert told["code"] == "measure.not-ready"
    assert told["notes"][-1] == "no such model"
    assert "runs" not in json.loads((tmp_path / "llm.lock").read_text())


def test_program_that_is_not_there_is_told(tmp_path, server):
    measured = Measured(tmp_path, tmp_path / "nowhere")
    (told,) = measured.run("measure", "tiny", code=4)["diagnostics"]
    assert "cannot be started" in told["notes"][-1]


def test_unknown_model_is_wrong_use(tmp_path, server):
    measured = Measured(tmp_path, server)
    (told,) = measured.run("measure", "tinny", code=2)["diagnostics"]
    assert "tinny" in told["message"]


def test_container_is_refused(tmp_path, server):
    measured = Measured(tmp_path, server)
    with (tmp_path / "llm.toml").open("a") as file:
        file.write('container = { image = "ghcr.io/org/image:1", runtime = "podman" }\n')
    (told,) = measured.run("measure", "tiny", code=4)["diagnostics"]
    assert told["code"] == "measure.container"
    assert "runs" not in json.loads((tmp_path / "llm.lock").read_text())


def test_children_and_the_first_request_are_counted(tmp_path, server):
    """Any program: 64 MiB of its own, 32 of a child, 48 more when it is asked."""
    measured = Measured(tmp_path, server)
    with (tmp_path / "llm.toml").open("a") as file:
        words = [sys.executable, str(Path(__file__).with_name("stand_in_server.py")), "${PORT}"]
        file.write(f"""
[models.other]
engine = "command"
role = "speech"
cmd = {json.dumps(words)}
check_endpoint = "/alive"
environment = {{ LLMGEN_TEST_RUN = "{measured.mark}" }}
""")
    assert measured.run("check", code=3)["diagnostics"][0]["code"] == "models.memory-missing"
    size = measured.run("measure", "other")["data"]["run"]["peak"]["host"]
    assert 144 * MIB < size < 200 * MIB
    assert measured.run("check")["diagnostics"] == []
    # After the fork, the child's copy of 64 MiB is shared until somebody writes: it is counted once.
    assert list(measured.processes()) == []
