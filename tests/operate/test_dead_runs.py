"""A foreground run that is killed takes its programs with it; the next run removes the rest."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from llmgen.operate.foreground import dead_runs, run_folder

RUN = """
import sys
from llmgen.operate.foreground.run import supervise
from llmgen.operate.foreground.run_folder import folder
from llmgen.targets.services import Service
with folder() as own:
    (own / "key").write_text("sk-planted")
    (own / "link").symlink_to(sys.argv[1])
    supervise([Service("one", "", tuple(sys.argv[2:]))], lambda *said: print(*said, flush=True), own, [])
"""
# The shell ends with its parent; what it started does not hear of that.
WITH_CHILD = ("/bin/sh", "-c", "sleep 1000 & echo child $!; wait")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    found = tmp_path / "tmp"
    found.mkdir()
    monkeypatch.setenv("TMPDIR", str(found))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield found
    tempfile.tempdir = None


@pytest.fixture
def run(folder, tmp_path):
    """A run with a program, and the program with a child of its own."""
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "file").touch()
    # Unbuffered: what nobody reads is not left for Python's own end (tests/cli/test_main.py).
    words = [sys.executable, "-u", "-c", RUN, str(tmp_path / "foreign"), *WITH_CHILD]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    dead_runs.clear()


def started(process):
    """The program and its child, once both are there."""
    said = dict(process.stdout.readline().split()[-2:] for _ in range(2))
    return [psutil.Process(int(said[word])) for word in ("process", "child")]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of it")
def test_program_ends_when_its_run_is_killed(run):
    (program, _) = started(run)
    run.kill()
    gone, _ = psutil.wait_procs([program], timeout=60)
    assert gone == [program]


def test_next_run_ends_and_removes_what_a_killed_one_left(run, folder, tmp_path):
    programs = started(run)
    run.kill()
    run.wait()
    (note,) = dead_runs.clear()
    assert (note.code, note.severity) == ("operate.dead-run", "note")
    assert psutil.wait_procs(programs, timeout=60)[1] == []
    assert list(folder.iterdir()) == []
    assert (tmp_path / "foreign" / "file").exists()
    assert dead_runs.clear() == ()


def test_living_run_is_let_be(run, folder):
    programs = started(run)
    assert dead_runs.clear() == ()
    assert all(item.is_running() for item in programs)
    assert (len([*folder.iterdir()]), run.poll()) == (1, None)


def test_folders_of_others_and_links_are_let_be(folder, tmp_path, monkeypatch):
    (folder / "llmgen-up-file").touch()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / run_folder.OWNER).touch()
    (folder / "llmgen-up-link").symlink_to(tmp_path / "own")
    assert dead_runs.clear() == ()
    (folder / "llmgen-up-older").mkdir()
    assert dead_runs.clear() == ()
    (folder / "llmgen-up-other").mkdir()
    (folder / "llmgen-up-other" / run_folder.OWNER).touch()
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    assert dead_runs.clear() == ()
    assert len([*folder.iterdir()]) == 4


def test_folder_goes_with_its_run(folder):
    with run_folder.folder() as own:
        assert own.parent == folder
        assert [*run_folder.dead()] == []
    assert list(folder.iterdir()) == []


def test_run_that_nobody_reads_ends_cleanly(run, folder):
    programs = started(run)
    run.stdout.close()
    # What the stopped program says next finds the closed pipe.
    programs[1].send_signal(signal.SIGKILL)
    assert run.wait(60) == 0
    assert psutil.wait_procs(programs, timeout=60)[1] == []
    assert list(folder.iterdir()) == []


def test_program_that_is_not_there_is_named(folder, tmp_path):
    absent = str(tmp_path / "absent")
    done = subprocess.run(
        [sys.executable, "-c", RUN, "/", absent], capture_output=True, text=True, check=False
    )
    assert f"`{absent}` cannot be started for `one`: it is not there" in done.stderr
    assert list(Path(folder).iterdir()) == []
