"""Where nothing can be written: the message names what is wrong, and nothing is half-written."""

import ast
import errno
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import llmgen
from llmgen.apply import files
from llmgen.apply.failure import cannot_write
from llmgen.cli.boundary import root
from llmgen.cli.writing import create_file, write_out
from llmgen.errors import InputError

PACKAGE = Path(llmgen.__file__).parent
SMALL = Path(__file__).parents[1] / "cases" / "minimal" / "llm.toml"
# What an import leaves out says why, and nobody has to do anything.
NEEDS_NO_HINT = {"import.left-out"}


def refusal(*words, config=SMALL):
    done = CliRunner().invoke(root, ["-c", str(config), *map(str, words), "--json"])
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
    code, _, message, hint = refusal(*words, "/proc/x", config="llm.toml")
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


@pytest.mark.parametrize("words", [("install", "--root"), ("generate", "-o"), ("init", "-o")])
def test_name_from_an_unset_variable_is_wrong_usage(words):
    done = CliRunner().invoke(root, [*words, ""])
    assert done.exit_code == 2
    assert "the name is empty" in done.output


def test_saved_plan_replaces_nothing_but_a_plan(tmp_path):
    plan, mine = tmp_path / "plan", tmp_path / "mine"
    mine.write_text("mine")
    words = ["-c", str(SMALL), "install", "--dry-run", "--root", str(tmp_path / "root"), "-o"]
    for _ in range(2):
        assert CliRunner().invoke(root, [*words, str(plan)]).exit_code == 0
    assert CliRunner().invoke(root, [*words, str(mine)]).exit_code == 6
    assert mine.read_text() == "mine"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_device_that_somebody_named_is_left_alone():
    code, _, message, hint = refusal("install", "--dry-run", "-o", "/dev/full", config="llm.toml")
    assert (code, hint) == (4, "make room there, then run the command again")
    assert "`/dev/full`" in message
    assert Path("/dev/full").exists()


def test_file_that_does_not_fit_leaves_no_piece(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, limits[1]))
    try:
        for write in (create_file, lambda name, text: write_out(name, text.encode())):
            with pytest.raises(InputError, match="File too large"):
                write(str(tmp_path / "x"), "longer than sixteen bytes")
            assert list(tmp_path.iterdir()) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a file system")
def test_read_only_file_system_is_named(tmp_path):
    words = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o ro x "$0" && exec "$@"', tmp_path]
    words += [sys.executable, "-m", "llmgen", "-c", SMALL, "generate", "-o", tmp_path / "x"]
    if subprocess.run([*words[:6], "true"], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert f"`{tmp_path}` cannot be written: Read-only file system" in done.stderr
    assert "mount that file system writable" in done.stderr


def calls(text):
    return (item for item in ast.walk(ast.parse(text)) if isinstance(item, ast.Call))


def test_every_diagnostic_has_a_hint():
    bare = [
        f"{path.relative_to(PACKAGE)}:{call.lineno}"
        for path in PACKAGE.rglob("*.py")
        if "Diagnostic(" in (text := path.read_text("utf-8"))
        for call in calls(text)
        if isinstance(call.func, ast.Name)
        and call.func.id == "Diagnostic"
        and not any(item.arg == "hint" for item in call.keywords)
        and not (isinstance(call.args[0], ast.Constant) and call.args[0].value in NEEDS_NO_HINT)
    ]
    assert bare == []
