"""What llmgen writes for vLLM, SGLang, TEI and mlx_lm is what their packages' own definitions take.

The records in data/ are read from the published packages without running them; TEI is in no
registry, so its record is of its documented command line (docs/source/en/cli_arguments.md at 1.9.3).
"""

import json
from pathlib import Path
from types import NoneType
from typing import get_args

import arguments
import pytest
import readers

from llmgen.engines.base import Listen, Served
from llmgen.engines.registry import ENGINES

DATA = Path(__file__).parent / "data"
RECORDS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(DATA.glob("*.json"))}
INSTALLED = [
    pytest.param(name, program, marks=pytest.mark.reader(program))
    for name, program in (
        ("vllm", "arg_utils.py"),
        ("sglang", "server_args.py"),
        ("mlx-lm", "server.py"),
    )
]


# The program of each engine whose definitions are recorded.
ENGINE_OF = {
    "vllm": "vllm",
    "sglang": "sglang",
    "mlx": "mlx-lm",
    "tei": "text-embeddings-inference",
}


def key_values(engine):
    """Every key of an engine with values of its type; for words of another program, its own."""
    for key, field in engine.options.model_fields.items():
        kinds = {kind for kind in get_args(field.annotation) if kind is not NoneType}
        kinds = kinds or {field.annotation}
        record = RECORDS[ENGINE_OF[engine.name]]["options"].get("--" + key.replace("_", "-"))
        if isinstance(record, list):
            yield key, record[-1]
        elif bool in kinds:
            yield key, True
        elif float in kinds or "float" in str(field.annotation):
            yield key, 0.5
        elif "int" in str(field.annotation):
            yield key, 8
        else:
            yield key, "word"


def words_of(engine, **more):
    served = Served(
        name="m",
        names=("m", "other"),
        role=engine.roles[0],
        serves=engine.roles,
        program=engine.program,
        model="org/model",
        revision="abc",
        **more,
    )
    return [str(word) for word in engine.words(served, Listen("127.0.0.1", "8000"))]


def takes(kind, values):
    """Whether an option of this kind can be followed by these values."""
    match kind:
        case "flag":
            return not values
        case "int":
            return len(values) == 1 and values[0].lstrip("-").isdigit()
        case "float":
            return len(values) == 1 and float(values[0]) >= 0
        case list():
            return len(values) == 1 and values[0] in kind
        case _:
            return len(values) >= 1


@pytest.mark.parametrize("name", ENGINE_OF)
def test_every_word_is_an_option_of_its_program(name):
    engine = ENGINES[name]
    options = RECORDS[ENGINE_OF[name]]["options"]
    for keys in ({}, dict(key_values(engine))):
        words = words_of(engine, keys=keys)
        flags = [number for number, word in enumerate(words) if word.startswith("--")]
        assert flags
        for begin, end in zip(flags, [*flags[1:], len(words)], strict=True):
            flag, values = words[begin], words[begin + 1 : end]
            assert flag in options, f"{name} has no {flag}"
            assert takes(options[flag], values), (flag, values, options[flag])


@pytest.mark.parametrize("role", ["chat", "vision", "completion", "embedding", "rerank"])
@pytest.mark.parametrize("name", ["vllm", "sglang"])
def test_every_role_is_started_with_known_options(name, role):
    engine = ENGINES[name]
    served = Served("m", ("m",), role, (role,), engine.program, model="org/model")
    words = [str(word) for word in engine.words(served, Listen("127.0.0.1", "8000"))]
    unknown = {word for word in words if word.startswith("--")} - set(
        RECORDS[ENGINE_OF[name]]["options"]
    )
    assert not unknown


@pytest.mark.parametrize(("name", "program"), INSTALLED)
def test_record_is_what_the_package_defines(name, program):
    pin = readers.pin_of(program)
    folder = readers.home() / pin["folder"]
    found = arguments.read(name, folder)
    again = f"python tests/engines/arguments.py {name} {folder} {RECORDS[name]['version']}"
    assert found == RECORDS[name]["options"], f"refresh the record: {again}"
    assert pin["sources"] == f"{name}=={RECORDS[name]['version']}"


@pytest.mark.parametrize("name", RECORDS)
def test_record_has_options_of_every_kind(name):
    kinds = {
        kind if isinstance(kind, str) else "choices" for kind in RECORDS[name]["options"].values()
    }
    assert {"flag", "int", "str", "choices"} <= kinds
