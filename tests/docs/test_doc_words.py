"""What the pages say in passing is true: commands, keys of llm.toml, rules of doctor, exit codes."""

import ast
import contextlib
import re
import shlex
import tomllib
from functools import cache

import click
import pytest

from docs.pages import DOCS, pages
from docs.test_doc_commands import parse
from llmgen.config.reference import NoSuchKey, look_up
from llmgen.config.schema import schema

RULES = DOCS.parent / "llmgen/doctor/rules"
WRITTEN = [page for page in pages() if not page.startswith("reference/")]


@cache
def keys():
    """The schema of llm.toml, made once."""
    return schema()


def prose(page):
    """A page without its fenced blocks."""
    return re.sub(r"```.*?```", "", DOCS.joinpath(page).read_text("utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("page", WRITTEN)
def test_commands_in_the_text_are_ones_that_llmgen_takes(page):
    for line in re.findall(r"`(llmgen [^`]*)`", prose(page)):
        for one in re.split(r" && | \| ", line):
            # In the text a command may stand for all that it takes.
            if one.startswith("llmgen ") and "…" not in one:
                with contextlib.suppress(click.MissingParameter):
                    parse(shlex.split(one)[1:])


@pytest.mark.parametrize("page", WRITTEN)
def test_pieces_of_llm_toml_have_keys_that_there_are(page):
    text = DOCS.joinpath(page).read_text("utf-8")
    for block in re.findall(r"^ *```toml\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        for path in paths(tomllib.loads(block)):
            look_up(keys(), path)


@pytest.mark.parametrize("page", WRITTEN)
def test_tables_in_the_text_are_ones_that_llm_toml_has(page):
    for name in re.findall(r"`\[([a-z][\w.-]*)\]", prose(page)):
        path = ["NAME" if word.isupper() else word for word in name.split(".")]
        try:
            look_up(keys(), path)
        except NoSuchKey:
            pytest.fail(f"{page}: llm.toml has no [{name}]")


def paths(table, above=()):
    """The path of every key, tables of any name included."""
    for key, value in table.items():
        yield (*above, key)
        if isinstance(value, dict) and not (len(above) == 0 and key == "environment"):
            yield from paths(value, (*above, key))


@cache
def rules():
    """The names of doctor's rules, as findings carry them."""
    found = set()
    for path in RULES.glob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {
                "Finding",
                "judged",
                "unknown",
            }:
                first = node.args[0]
                found |= {first.value} if isinstance(first, ast.Constant) else named(tree, first)
    return found


def named(tree, name):
    """The texts that a name is given: alone, or first of several."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                target, value = target.elts[0], value.elts[0]
            if ast.unparse(target) == ast.unparse(name) and isinstance(value, ast.Constant):
                found.add(value.value)
    return found


def test_every_remedy_is_a_rule_of_doctor_and_every_rule_stands_there():
    rows = re.findall(r"^\|.*\| ([^|]*) \|$", prose("troubleshooting.md"), re.MULTILINE)
    named_there = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    assert named_there == rules()


@pytest.mark.parametrize("page", WRITTEN)
def test_rules_that_are_named_elsewhere_are_there(page):
    for names in re.findall(r"[Rr]ules? ((?:`[\w-]+`(?:, | and )?)+)", prose(page)):
        assert set(re.findall(r"`([\w-]+)`", names)) <= rules(), page


def test_codes_of_messages_that_are_named_are_there():
    package = "".join(path.read_text("utf-8") for path in DOCS.parent.glob("llmgen/**/*.py"))
    for page in WRITTEN:
        for code in re.findall(r"\(`([a-z]+\.[a-z-]+)`\)", prose(page)):
            assert f'"{code}"' in package, (page, code)
