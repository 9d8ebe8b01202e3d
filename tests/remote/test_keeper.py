"""The keeper as a program of its own: old Pythons read it, and silence ends it."""

import ast
import io
import json
import os
import subprocess
import sys
import zipfile
from importlib import resources

import pytest
from ssh_server import within

from llmgen.remote.openssh import START

SOURCE = resources.files("llmgen.remote").joinpath("keeper.py").read_bytes()


def keeper(folder, source=SOURCE):
    """A running keeper whose folders are in this one."""
    words = [sys.executable, "-I", "-c", START]
    environment = {**os.environ, "TMPDIR": str(folder)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(words, env=environment, **pipes)
    process.stdin.write(b"%d\n%b" % (len(source), source))
    said(process, do="greet", nonce="x")
    return process


def said(process, **header):
    """Send a message."""
    process.stdin.write(json.dumps({"size": 0, **header}).encode() + b"\n")
    process.stdin.flush()


def test_python_3_7_reads_it():
    ast.parse(SOURCE, feature_version=(3, 7))


def test_caller_that_is_not_heard_any_longer_is_gone(tmp_path):
    with keeper(tmp_path, SOURCE.replace(b"QUIET_SECONDS = 60", b"QUIET_SECONDS = 2")) as process:
        words = ["sleep", "1000"]
        said(process, do="run", words=words, below="files", path="")
        assert within(10, lambda: [*tmp_path.iterdir()])
        # Standard input stays open, as by a cable that was cut.
        assert process.wait(20) == 0
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("text", [b"no json\n", b"{", b'{"do": "put", "size": 100}\nshort'])
def test_what_is_no_message_ends_it(tmp_path, text):
    with keeper(tmp_path) as process:
        process.stdin.write(text)
        process.stdin.close()
        assert process.wait(20) == 0
    assert [*tmp_path.iterdir()] == []


def test_folder_that_cannot_be_made_is_told_after_the_greeting(tmp_path):
    source = SOURCE.replace(b"tempfile.mkdtemp(prefix=PREFIX)", b"os.mkdir('/proc/none')")
    with keeper(tmp_path, source) as process:
        greeting, failed = process.stdout.read().splitlines()
    assert json.loads(greeting)["is"] == "greeting"
    assert json.loads(failed)["is"] == "failed"
    assert json.loads(failed)["errno"]


def test_files_stay_in_the_folder_and_are_private(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../outside", b"x")
        archive.writestr("/etc/absolute", b"x")
        archive.writestr("below/file", b"x")
    payload = packed.getvalue()
    there = tmp_path / "there"
    there.mkdir()
    with keeper(there) as process:
        said(process, do="put", below="files", size=len(payload))
        process.stdin.write(payload)
        process.stdin.flush()
        assert within(10, lambda: [*there.glob("*/files/below/file")])
        (folder,) = there.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        modes = {path.stat().st_mode & 0o077 for path in folder.rglob("*")}
        assert modes == {0}
        process.stdin.close()
        process.wait(20)
    assert [*tmp_path.rglob("*")] == [there]


def test_folder_that_a_living_keeper_holds_is_left_alone(tmp_path):
    with keeper(tmp_path) as first:
        assert within(10, lambda: [*tmp_path.iterdir()])
        (mine,) = tmp_path.iterdir()
        with keeper(tmp_path) as second:
            assert within(10, lambda: len([*tmp_path.iterdir()]) == 2)
            second.stdin.close()
            second.wait(20)
        assert [*tmp_path.iterdir()] == [mine]
        first.stdin.close()
        first.wait(20)
    assert [*tmp_path.iterdir()] == []
