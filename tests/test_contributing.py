"""What CONTRIBUTING.md and ARCHITECTURE.md say is so: each recipe is followed, word for word, in a copy of the repository.

A numbered step begins with the file that it is about. A `diff` block below it changes that file: the lines that stay or go are
looked for, once, and the rest is put there. Any other block is the whole of a new file. `console` blocks are run at the end.
"""

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest
from test_layers import LAYERS, PURE, REPOSITORY

GUIDE = REPOSITORY.joinpath("CONTRIBUTING.md").read_text("utf-8")
MAP = REPOSITORY.joinpath("ARCHITECTURE.md").read_text("utf-8")
# What recipes touch, and what their commands need.
COPIED = (
    *("llmgen", "templates", "tests", "tools", "docs", "man", "generated", "Makefile", "pyproject.toml"),
    *("README.md", "CHANGELOG.md", "llm.toml", "llm.lock"),
)  # fmt: skip
STEP = re.compile(r"^\d+\. `([^`]+)`(.*?)(?=^\d+\. |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(
    r"^(<!-- not run: [^\n]*-->\n)?```console\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
RECIPES = {
    text.partition("\n")[0]: text for text in re.split(r"^## Add ", GUIDE, flags=re.MULTILINE)[1:]
}


@dataclass(frozen=True)
class Step:
    """A file, and what becomes of it: the kind and the lines of each block."""

    path: str
    blocks: tuple[tuple[str, str], ...]


def steps(recipe):
    for path, text in STEP.findall(CONSOLE.sub("", recipe)):
        blocks = [
            (kind, re.sub(rf"^{indent}", "", body, flags=re.MULTILINE))
            for indent, kind, body in BLOCK.findall(text)
        ]
        yield Step(path, tuple(blocks))


def commands(recipe):
    for not_run, body in CONSOLE.findall(recipe):
        if not not_run:
            yield from (line.removeprefix("$ ") for line in body.splitlines() if line[:2] == "$ ")


def changed(text, block):
    """The text with one change; what the block has of it stands there exactly once."""
    lines = block.splitlines(keepends=True)
    old = "".join(line[1:] or "\n" for line in lines if line[0] != "+")
    new = "".join(line[1:] or "\n" for line in lines if line[0] != "-")
    assert ("\n" + text).count("\n" + old) == 1, f"no longer there, or there twice:\n{old}"
    return ("\n" + text).replace("\n" + old, "\n" + new)[1:]


def follow(recipe, folder):
    for step in steps(recipe):
        path = folder / step.path
        for kind, body in step.blocks:
            if kind == "diff":
                path.write_text(changed(path.read_text("utf-8"), body), "utf-8")
            else:
                assert not path.exists(), f"{step.path} is there already"
                path.parent.mkdir(exist_ok=True)
                path.write_text(body, "utf-8")


def run(line, folder, monkeypatch):
    words = shlex.split(line)
    if words[0] == "make":  # what it would install is there
        words[1:1] = ("-o", ".venv/.llmgen", "-o", ".venv/.llmgen-dev")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_finds_what_it_changes(name, tmp_path):
    for step in steps(RECIPES[name]):
        target = tmp_path / step.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source := REPOSITORY / step.path).exists():
            shutil.copy2(source, target)
    follow(RECIPES[name], tmp_path)


@pytest.mark.thorough
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_that_is_followed_works(name, tmp_path, monkeypatch):
    for item in COPIED:
        source = REPOSITORY / item
        if source.is_dir():
            shutil.copytree(
                source, tmp_path / item, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy2(source, tmp_path / item)
    tmp_path.joinpath(".venv").symlink_to(sys.prefix)
    follow(RECIPES[name], tmp_path)
    for line in commands(RECIPES[name]):
        run(line, tmp_path, monkeypatch)
    assert [step.path for step in steps(RECIPES[name]) if not (tmp_path / step.path).exists()] == []


def test_there_is_a_recipe_for_each_kind_and_each_ends_in_commands():
    assert [*RECIPES] == ["an architecture", "a build boundary", "a target", "a doctor rule", "an engine"]  # fmt: skip
    assert all(any("pytest" in line for line in commands(recipe)) for recipe in RECIPES.values())


@pytest.mark.parametrize("text", [GUIDE, MAP], ids=["CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_files_that_are_named_are_there(text):
    new = {step.path for recipe in RECIPES.values() for step in steps(recipe)}
    named = re.findall(
        r"`((?:llmgen|tests|templates|tools|docs|man|generated|\.ci|\.github)/[\w./-]*)`",
        BLOCK.sub("", text),
    )
    assert named
    assert [path for path in named if path not in new and not (REPOSITORY / path).exists()] == []


def test_the_map_has_every_folder_of_the_package():
    rows = re.findall(r"^\| (`llmgen/[^|]*) \|", MAP, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`llmgen/(\w+)`", row)}
    folders = {path.parent.name for path in REPOSITORY.glob("llmgen/*/__init__.py")}
    assert named == folders


def test_the_map_has_the_layers_that_are_tested():
    rows = re.findall(r"^\d+\. (.*)$", MAP, re.MULTILINE)
    assert [tuple(re.findall(r"`([\w.]+)`", row)) for row in rows] == [
        tuple(name.removeprefix("llmgen.") for name in line) for line in LAYERS
    ]


def test_the_map_has_the_pure_stages_that_are_tested():
    (line,) = re.findall(r"^Pure are (.*?)\.$", MAP, re.MULTILINE | re.DOTALL)
    assert tuple(re.findall(r"`(\w+)`", line)) == PURE
