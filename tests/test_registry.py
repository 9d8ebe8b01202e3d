"""What is written twice is compared: commands, exit codes, targets."""

import importlib
import re
import tomllib
from pathlib import Path

import click
import pytest

from llmgen import errors
from llmgen.budget import builds
from llmgen.cli import COMMANDS
from llmgen.cli.boundary import BUG, INTERRUPTED, root
from llmgen.config.editions import EDITIONS
from llmgen.detect.obtain import obtain

REPOSITORY = Path(__file__).parents[1]
README = REPOSITORY.joinpath("README.md").read_text("utf-8")
CHANGELOG = REPOSITORY.joinpath("CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_module_help_and_a_line_in_the_readme(name):
    module, summary = COMMANDS[name]
    command = importlib.import_module(module).cli
    assert isinstance(command, click.Command)
    assert command.help
    assert summary
    assert f"`llmgen {name}" in README or f"| `{name}" in README


def test_exit_codes_of_the_readme_are_those_of_the_classes():
    table = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    classes = {kind.exit_code for kind in errors.LlmgenError.__subclasses__()}
    assert table == classes | {0, errors.LlmgenError.exit_code, 2, BUG, INTERRUPTED}


def test_help_names_every_exit_code():
    epilog = root.epilog or ""
    for kind in errors.LlmgenError.__subclasses__():
        assert f"{kind.exit_code} " in epilog


def test_the_edition_aims_at_the_builds_that_the_budget_knows():
    edition = EDITIONS[max(EDITIONS)]
    assert (edition.build, edition.builds) == (builds.DEFAULT, (builds.OLDEST, builds.NEWEST))
    for text in (README, CHANGELOG):
        assert f"b{builds.OLDEST} to b{builds.NEWEST}" in text


@pytest.mark.parametrize("program", ["envoy", "litellm"])
def test_doctor_installs_the_versions_that_the_tests_run(program):
    pins = tomllib.loads(REPOSITORY.joinpath("tests/readers/pins.toml").read_text("utf-8"))
    assert pins[program]["package"][0] in obtain(program, ["pip"])
