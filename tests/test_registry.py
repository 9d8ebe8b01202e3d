"""What is written twice is compared: commands, exit codes, targets."""

import importlib
import re
from pathlib import Path

import click
import pytest

from llmgen import errors
from llmgen.cli import COMMANDS
from llmgen.cli.boundary import BUG, INTERRUPTED, root

README = Path(__file__).parents[1].joinpath("README.md").read_text("utf-8")


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
