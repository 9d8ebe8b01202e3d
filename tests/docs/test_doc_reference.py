"""docs/reference and the manual pages are what the tools write today, and `man` renders them."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import readers

from llmgen.cli import COMMANDS

ROOT = Path(__file__).parents[2]
MAN = ROOT / "man"


@pytest.mark.parametrize(
    ("tool", "kept"), [("write_reference", "docs/reference"), ("write_man_pages", "man")]
)
def test_what_is_kept_is_what_the_tool_writes(tool, kept, tmp_path):
    words = [sys.executable, ROOT / f"tools/{tool}.py", tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written, here = contents(tmp_path), contents(ROOT / kept)
    changed = sorted(name for name in written.keys() | here if written.get(name) != here.get(name))
    assert changed == [], "refresh it: make reference"


def contents(folder):
    return {path.name: path.read_text("utf-8") for path in folder.iterdir() if path.is_file()}


def test_every_command_has_a_manual_page():
    assert {f"llmgen-{name}.1" for name in COMMANDS} <= {path.name for path in MAN.iterdir()}


@pytest.mark.sample(8)
@pytest.mark.reader("man")
@pytest.mark.parametrize("page", sorted(path.name for path in MAN.glob("*.1")))
def test_man_renders_a_page_without_a_warning(page):
    done = subprocess.run(
        [readers.find("man"), "--warnings", "-l", MAN / page],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": "/usr/bin:/bin",
            "MANWIDTH": "80",
            "LANG": "C.UTF-8",
            "MAN_KEEP_FORMATTING": "",
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    words = " ".join(done.stdout.split())
    assert f"NAME {page.removesuffix('.1')} - " in words
    assert "EXIT STATUS 0 done;" in words


@pytest.mark.reader("man")
def test_man_finds_the_page_by_its_name_where_the_wheel_puts_it(tmp_path):
    """`man llmgen-fit` of an environment whose share/man is the wheel's."""
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(words, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "wheel")
    (data,) = (tmp_path / "wheel").glob("*.data/data")
    done = subprocess.run(
        [readers.find("man"), "llmgen-fit"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "MANPATH": str(data / "share/man"), "LANG": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stderr
    assert "llmgen fit [OPTIONS] MODEL..." in " ".join(done.stdout.split())


def test_the_extra_of_the_pages_is_not_needed_to_run_llmgen():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert not any("sphinx" in item for item in project["dependencies"])
