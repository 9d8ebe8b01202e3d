"""Starting quickly: what each command must not import, and that every command explains itself."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import llmgen
from llmgen.cli import COMMANDS, GROUPS, KNOWN_AS
from llmgen.cli.boundary import root
from llmgen.cli.examples import EXAMPLES

PACKAGE = Path(llmgen.__file__).parent
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
    assert not found & {"huggingface_hub", "rich", "httpx"}


def test_generate_imports_no_more_than_it_needs(tmp_path):
    found = imported("-c", "llm.toml", "generate", "-o", str(tmp_path / "generated"))
    assert "jinja2" in found
    unneeded = {"huggingface_hub", "rich", "httpx", "psutil", "yaml", "importlib.metadata", "email"}
    assert not found & unneeded


def test_keys_of_llama_swap_compile_no_grammar(tmp_path):
    minimal = Path(__file__).parents[1] / "cases" / "minimal"
    text = minimal.joinpath("llm.toml").read_text("utf-8") + 'llama_swap.useModelName = "x"\n'
    tmp_path.joinpath("llm.toml").write_text(text)
    shutil.copy(minimal / "llm.lock", tmp_path)
    found = imported("-c", str(tmp_path / "llm.toml"), "check")
    assert "jsonschema" in found
    assert "lark" not in found


def test_default_tables_of_llm_toml_build_no_validators():
    code = (
        "from llmgen.config.config import Config\n"
        "tables = [type(getattr(Config.model_fields[name], 'default', None)) for name in Config.model_fields]\n"
        "print([table.__name__ for table in (Config, *tables) if getattr(table, '__pydantic_complete__', False)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_records_are_made_without_compiling_methods():
    compiled = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "@dataclass" in path.read_text("utf-8")
    }
    # Fields that are not compared or not shown are a dataclass's own.
    assert compiled == {"apply/changes.py", "facts/gguf.py", "operate/foreground/run.py"}


def test_every_command_is_in_one_group_of_the_help():
    grouped = [name for _, _, names in GROUPS for name in names]
    assert sorted(grouped) == sorted(COMMANDS)


def parsed(line):
    """Take an example apart as the command line does, running nothing."""
    words = shlex.split(line)
    assert words.pop(0) == "llmgen"
    context = root.make_context("llmgen", words, resilient_parsing=False)
    while isinstance(context.command, click.Group):
        left = [*context._protected_args, *context.args]
        name, found, left = context.command.resolve_command(context, left)
        context = found.make_context(name, left, parent=context)
    return context


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_it_takes(name):
    assert parsed(EXAMPLES[name]).command_path.split()[1] == name
    help_text = CliRunner().invoke(root, [name, "--help"], prog_name="llmgen").output
    assert f"Example: {EXAMPLES[name]}" in help_text


@pytest.mark.parametrize("example", [example for _, example, _ in GROUPS])
def test_examples_of_the_groups_are_taken(example):
    for line in example.split(" && "):
        if line.startswith("llmgen"):
            parsed(line)


@pytest.mark.parametrize(("word", "meant"), KNOWN_AS.items())
def test_words_of_other_programs_lead_to_the_right_command(word, meant):
    done = CliRunner().invoke(root, [word], prog_name="llmgen")
    assert done.exit_code == 2
    assert f"did you mean `llmgen {meant}`?" in done.output
    if not meant.startswith("-"):
        parsed(f"llmgen {meant}")
