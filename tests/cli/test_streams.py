"""Standard output that takes nothing: a reader that stopped, a full disk, a closed stream."""

import json
import os
import subprocess
import sys

import pytest

SCHEMA = (sys.executable, "-m", "llmgen", "schema")


def run(stdout):
    return subprocess.run(SCHEMA, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


def test_reader_that_stopped_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    ended = run(writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has /dev/full")
def test_full_disk_is_one_message():
    with open("/dev/full", "w") as full:
        ended = run(full)
    assert ended.returncode == 4
    assert ended.stderr.startswith("error[write.unwritable]: standard output cannot be written")
    assert len(ended.stderr.splitlines()) == 2


def test_closed_output_is_no_bug():
    ended = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *SCHEMA], check=False)
    assert ended.returncode == 0


INTERRUPTED = """
import sys
import llmgen.__main__
class Finder:
    def find_spec(self, name, *rest):
        if name == {name!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder())
sys.argv[1:] = ["-c", "llm.toml", "check", "--json"]
llmgen.__main__.main()
"""


def interrupted(name):
    words = [sys.executable, "-c", INTERRUPTED.format(name=name)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_interrupt_while_starting_is_no_traceback():
    ended = interrupted("llmgen.cli.boundary")
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_interrupted_command_has_its_document():
    ended = interrupted("llmgen.config.load")
    document = json.loads(ended.stdout)
    assert (ended.returncode, document["exit_code"], ended.stderr) == (130, 130, "\n")
    assert document["diagnostics"][0]["code"] == "llmgen.interrupted"
