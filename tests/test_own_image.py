"""llmgen's own Containerfile: its readers, and that it copies all that a wheel is made of."""

import subprocess
import tomllib
from pathlib import Path

import dockerfile
import pytest
import readers

REPOSITORY = Path(__file__).parents[1]
FILE = REPOSITORY / "Containerfile"


def commands(name):
    return [item for item in dockerfile.parse_file(str(FILE)) if item.cmd == name]


@pytest.mark.reader("hadolint")
def test_hadolint_finds_nothing():
    words = [readers.find("hadolint"), "--no-color", FILE]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_llmgen_as_nobody_on_a_named_base():
    assert [item.value[0] for item in commands("FROM")] == ["${PYTHON_IMAGE}"] * 2
    assert commands("ENTRYPOINT")[0].value == ("llmgen",)
    assert commands("USER")[0].value == ("10001:10001",)


def test_what_it_copies_is_there_and_may_be_seen_by_the_build():
    copied = {name for item in commands("COPY") if not item.flags for name in item.value[:-1]}
    lines = REPOSITORY.joinpath(".dockerignore").read_text("utf-8").splitlines()
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert all((REPOSITORY / name).exists() for name in copied)


def test_a_wheel_needs_no_more_than_that():
    project = tomllib.loads(REPOSITORY.joinpath("pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], *wheel["shared-data"], project["project"]["readme"], *project["project"]["license-files"]}  # fmt: skip
    copied = {name for item in commands("COPY") if not item.flags for name in item.value[:-1]}
    assert needed <= copied
