"""Where nothing can be written: the message names what is wrong, and nothing is half-written."""

import ast
import errno
import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import llmgen
from llmgen.apply import files
from llmgen.apply.failure import cannot_write
from llmgen.cli.boundary import root

PACKAGE = Path(llmgen.__file__).parent
# What an import leaves out says why, and nobody has to do anything.
NEEDS_NO_HINT = {"import.left-out"}


def refusal(*words):
    done = CliRunner().invoke(root, ["-c", "llm.toml", *map(str, words), "--json"])
    (found,) = json.loads(done.output)["diagnostics"]
    return done.exit_code, found["code"], found["message"], found["hint"]


@pytest.mark.parametrize(
    "words",
    [
        ("generate", "-o"),
        ("generate", "--check", "-o"),
        ("install", "--root"),
        ("install", "--dry-run", "--root"),
        ("uninstall", "--root"),
        ("rollback", "--root"),
    ],
)
def test_file_in_place_of_a_folder_is_named(words, tmp_path):
    (tmp_path / "file").write_text("mine")
    for name in ("file", "file/below"):
        code, word, message, hint = refusal(*words, tmp_path / name)
        assert (code, word) == (4, "apply.not-a-folder")
        assert f"`{tmp_path / 'file'}` is in the way" in message
        assert words[-1] in hint
    assert [item.name for item in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize(
    "words", [("generate", "-o"), ("install", "--root"), ("install", "--dry-run", "-o")]
)
def test_file_system_of_the_kernel_is_named(words):
    code, _, message, hint = refusal(*words, "/proc/x")
    assert code == 4
    assert "`/proc" in message
    if os.geteuid() == 0:
        assert "/proc and /sys take no files" in hint


def test_full_disk_names_the_file_and_leaves_no_piece_of_it(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        files.write_file(tmp_path / "x", b"text", 0o644)
    assert list(tmp_path.iterdir()) == []
    found = cannot_write("", caught.value)
    assert (found.message, found.hint) == (
        f"`{tmp_path / 'x'}` cannot be written: No space left on device",
        "make room there, then run the command again",
    )


def calls(path):
    tree = ast.parse(path.read_text("utf-8"))
    return (item for item in ast.walk(tree) if isinstance(item, ast.Call))


def test_every_diagnostic_has_a_hint():
    bare = [
        f"{path.relative_to(PACKAGE)}:{call.lineno}"
        for path in PACKAGE.rglob("*.py")
        for call in calls(path)
        if isinstance(call.func, ast.Name)
        and call.func.id == "Diagnostic"
        and not any(item.arg == "hint" for item in call.keywords)
        and not (isinstance(call.args[0], ast.Constant) and call.args[0].value in NEEDS_NO_HINT)
    ]
    assert bare == []
