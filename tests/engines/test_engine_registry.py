"""What every engine has: keys that somebody knows, a case, a row in the README, a whole command."""

import re
import tomllib
from pathlib import Path

import pytest

from llmgen.config.schema import schema
from llmgen.config.tables.models import ModelTable
from llmgen.engines.base import Listen, Served
from llmgen.engines.command import CommandOptions
from llmgen.engines.registry import ENGINES
from llmgen.resolve.engine_models import COMMON, knows

TESTS = Path(__file__).parents[1]
README = TESTS.parent.joinpath("README.md").read_text("utf-8")


def served(**more):
    values = {
        "name": "m",
        "names": ("m", "other"),
        "role": "chat",
        "serves": ("chat",),
        "program": "/x",
        "model": "/models/m",
        "keys": {"cmd": ("/x", "--port", "${PORT}")},
    }
    return Served(**values | more)


def test_every_key_of_a_model_is_known_to_all_engines_or_to_some():
    for key in ModelTable.model_fields:
        owners = [engine.name for engine in ENGINES.values() if knows(engine, key)]
        assert owners, key
        assert (len(owners) == len(ENGINES)) is (key in COMMON), key


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_has_a_case_and_a_row_in_the_readme(name):
    case = tomllib.loads(TESTS.joinpath("cases/engines/llm.toml").read_text("utf-8"))
    assert name in {table.get("engine", "llama-server") for table in case["models"].values()}
    assert re.search(rf"^\| `{name}` \|", README, re.MULTILINE), name


def test_the_schema_lists_the_engines():
    names = schema()["definitions"]["ModelTable"]["properties"]["engine"]["enum"]
    assert names == [*ENGINES]


@pytest.mark.parametrize("name", [name for name, item in ENGINES.items() if not item.is_llama])
def test_a_command_says_where_to_listen_and_every_key_moves_it(name):
    engine = ENGINES[name]
    words = [*engine.words(served(), Listen("127.0.0.1", "7777"))]
    assert "7777" in words
    assert "/models/m" in words or engine.options is CommandOptions
    for key in engine.options.model_fields.keys() - {
        "memory", "program", "upstream_model", "ctx_size", "parallel",
        *({} if engine.options is not CommandOptions else CommandOptions.model_fields),
    }:  # fmt: skip
        told = served(keys={key: 0.5 if "fraction" in key or "utilization" in key else 1})
        assert [*engine.words(told, Listen("127.0.0.1", "7777"))] != words, key


@pytest.mark.parametrize("engine", ENGINES.values(), ids=list(ENGINES))
def test_paths_and_roles_agree(engine):
    """An engine with paths of its own has one for each of its roles."""
    from llmgen.gateway.endpoint_kinds import KINDS  # noqa: PLC0415

    for role in engine.roles if engine.paths else ():
        kinds = [kind for kind in KINDS if role in kind.roles]
        own = (*engine.paths, *engine.moved.values())
        assert any(
            kind.name in engine.moved or any(re.fullmatch(kind.paths, path) for path in own)
            for kind in kinds
        ), (engine.name, role)
