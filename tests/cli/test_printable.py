"""Terminals: nothing that was read from elsewhere may steer one."""

import json
import os
import pty
import subprocess
import sys
import threading

import pytest
from click import style
from gguf_writer import gguf, llama

from llmgen.cli.boundary import main, root
from llmgen.cli.frames import frames
from llmgen.cli.outcome import envelope
from llmgen.cli.printable import one_line, printable
from llmgen.errors import Diagnostic, Location

TITLE = "\x1b]0;owned\x07"
REPLACED = "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    "text", [TITLE, "\x9b2J", "a\rb", "\x08", "\u202eevil", "\x1b[8m", "\x1b[2J"]
)
def test_what_a_terminal_would_obey_is_replaced(text):
    assert REPLACED in printable(text)
    assert "\x1b" not in printable(text)


def test_words_of_every_script_stay():
    text = "größe\t模型 \N{ZERO WIDTH JOINER} 🦙\n"
    assert printable(text) == text


def test_colours_of_llmgen_stay():
    text = style("error", fg="red", bold=True)
    assert printable(text) == text


def test_a_name_cannot_pose_as_another_message():
    assert one_line("`a\nerror[x]: b`\x85c") == "`a error[x]: b` c"
    item = Diagnostic(
        "a.b", f"`{TITLE}\nerror[c.d]: no`", location=Location(TITLE, 1, 1), hint=TITLE
    )
    for text in (frames([item]), frames([item], short=True)):
        assert "\x07" not in text
        assert "\nerror" not in text


def test_json_escapes_what_json_itself_lets_pass():
    text = envelope("x", 0, {"name": "\x9b\u202e\udcff\x7f"}, ())
    assert '"\\u009b\\u202e\\udcff\\u007f"' in text
    assert json.loads(text)["data"] == {"name": "\x9b\u202e\udcff\x7f"}


def on_terminal(words, folder):
    """What a terminal gets of a command, and the exit code."""
    ours, theirs = pty.openpty()
    found = bytearray()

    def read():
        while not found.endswith(b"(END)"):
            found.extend(os.read(ours, 4096))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    # Our own hold on the terminal, and the mark behind the last line: what is still on its way
    # when the command ends is lost otherwise.
    ended = subprocess.run(
        words, stdout=theirs, stderr=theirs, stdin=theirs, cwd=folder, check=False
    )
    os.write(theirs, b"(END)")
    reader.join()
    os.close(ours)
    os.close(theirs)
    return bytes(found), ended.returncode


def test_file_names_reach_a_terminal_harmless(tmp_path):
    name = os.fsencode(TITLE) + b"\xff.gguf"
    values, tensors = llama(layers=1)
    (tmp_path / os.fsdecode(name)).write_bytes(gguf(values, tensors))
    os.truncate(os.fsencode(tmp_path) + b"/" + name, 10**8)
    words = [os.fsencode(sys.executable), b"-m", b"llmgen", b"inspect", name]
    for more in ([], [b"--json"], [b"--ctx-size", b"0x"]):
        found, _ = on_terminal([*words, *more], tmp_path)
        assert b"\x1b]" not in found
        assert b"\x07" not in found
    found, code = on_terminal(words, tmp_path)
    assert code == 0, found
    assert b"host" in found


def test_a_file_name_that_is_no_text_is_no_bug(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "llmgen", "inspect", b"\xff.gguf"],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 4
    assert b"error[facts.missing]" in ended.stderr


@pytest.mark.parametrize("there", [True, False])
def test_a_bug_is_one_message_with_or_without_a_place_for_its_report(
    tmp_path, monkeypatch, capsys, there
):
    def fail(*_, **__):
        raise ValueError(f"{TITLE}\udcff")

    monkeypatch.setattr(root, "main", fail)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path if there else tmp_path / "none"))
    with pytest.raises(SystemExit) as ended:
        main(["show"])
    said = capsys.readouterr().err
    assert ended.value.code == 70
    assert "\x07" not in said
    assert ("the report to send is in" in said) is there
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600] * there
