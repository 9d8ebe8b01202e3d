"""Starting quickly: what each command must not import, and that every command explains itself."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from llmgen.cli import COMMANDS
from llmgen.cli.boundary import root

HEAVY = ("jinja2", "huggingface_hub", "pydantic", "rich", "httpx", "psutil", "yaml")


def imported(*words):
    code = (
        "import sys\nfrom llmgen.cli.boundary import main\n"
        f"try:\n    main({list(words)!r})\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write('\\n'.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_imports_nothing_heavy():
    assert not imported("--help") & set(HEAVY)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(name):
    result = CliRunner().invoke(root, [name, "--help"], prog_name="llmgen")
    assert result.exit_code == 0, result.output
    assert "Usage: llmgen" in result.output


def test_check_draws_no_tables_and_asks_no_network():
    found = imported("-c", "llm.toml", "check")
    assert not found & {"jinja2", "huggingface_hub", "rich", "httpx", "yaml"}
