"""Whatever llama-swap's schema allows is in the result or named: drawn files, key by key."""

import re

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from readers.llama_swap_rules import problems
from test_corpus import (
    config,
    findings,
    goes_without_saying,
    leaves,
    library,
    place,
    repeats,
    run,
    same_sets,
    usual,
    with_memory,
    without,
)

from llmgen.errors import Severity
from llmgen.machine import machine
from llmgen.render.environment import make_render
from llmgen.resolve.swap_keys import _schema
from llmgen.targets import llama_swap

NAMES = ["alpha", "beta-7b", "org/gamma:q4", "delta"]
OPTIONS = ["-c 4096", "-ngl 99", "-fa on", "--jinja", "-np 2", "--temp 0.5", "-ctk q8_0 -ctv q8_0",
           "--metrics", "-b 512", "--embedding -ub 512 -b 512 -c 512"]  # fmt: skip
PROGRAMS = ["whisper-server -m /srv/w.bin --port ${PORT}", "/opt/tts --port ${PORT} --voice a",
            "docker run --rm -p ${PORT}:80 --name ${MODEL_ID} tei:1 --model-id x"]  # fmt: skip
WORD = st.from_regex(r"\A[a-z][a-z0-9 ]{0,10}[a-z0-9]\Z")
# Patterns of the schema by example: a generator of texts for any pattern is no part of this.
PATTERNS = {
    r"^[-+]?(\d+(\.\d+)?(ns|us|ms|s|m|h))+$": ["15s", "1m30s"],
    r"^[A-Z_][A-Z0-9_]*=.*$": ["MODE=fast", "CACHE_DIR=/tmp/x y", "GGML_X=1"],
    r"^/.*$|^none$": ["/health", "none", "/v1/models"],
    r"^[a-zA-Z0-9_, ]*$": ["temperature, top_p", "seed"],
}
# Written by hand below: names that have to fit each other.
BY_HAND = {"models", "macros", "groups", "matrix", "routing", "hooks", "peers", "selectors",
           "profiles", "apiKeys"}  # fmt: skip


def value_of(schema):
    """A strategy for what a part of the schema takes."""
    if "$ref" in schema:
        schema = _schema()["definitions"][schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(schema.get("minimum", 0), schema.get("minimum", 0) + 900)
        case "string":
            return st.sampled_from(PATTERNS[schema["pattern"]]) if "pattern" in schema else WORD
        case "array":
            items = value_of(schema["items"])
            return st.lists(items, min_size=1, max_size=2, unique=True)
        case "object" if schema.get("properties"):
            return objects(schema)
        case _:
            return st.dictionaries(WORD, st.one_of(WORD, st.integers(0, 9)), max_size=2)


def objects(schema, leave=()):
    properties = {key: item for key, item in schema["properties"].items() if key not in leave}
    required = {key for key in schema.get("required", ()) if key in properties}
    return st.fixed_dictionaries(
        {key: value_of(properties[key]) for key in sorted(required)},
        optional={key: value_of(item) for key, item in properties.items() if key not in required},
    )


@st.composite
def swap_files(draw):
    """A configuration that llama-swap would start with."""
    document = draw(objects(_schema(), leave=BY_HAND))
    every = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    entry = _schema()["properties"]["models"]["additionalProperties"]
    by_hand = ("cmd", "aliases", "macros", "filters", "proxy", "metadata", "env")
    document["models"] = {}
    for index, name in enumerate(every):
        table = draw(objects(entry, leave=by_hand))
        options = draw(st.lists(st.sampled_from(OPTIONS), max_size=3, unique=True))
        server = f"llama-server --port ${{PORT}} -m /srv/models/{index}.gguf {' '.join(options)}"
        table["cmd"] = draw(st.one_of(st.just(server), st.just(server), st.sampled_from(PROGRAMS)))
        table["env"] = draw(
            st.lists(value_of(entry["properties"]["env"]["items"]), max_size=2, unique=True)
        )
        table["aliases"] = [f"also-{index}"][: draw(st.integers(0, 1))]
        table["filters"] = draw(value_of(entry["properties"]["filters"]))
        by_id = draw(
            st.lists(st.sampled_from(["${MODEL_ID}", "${MODEL_ID}:hot"]), max_size=2, unique=True)
        )
        table["filters"]["setParamsByID"] = {key: {"top_k": 5} for key in by_id}
        table["metadata"] = {"note": "${MODEL_ID} with ${size}"} if index % 2 else {}
        table["macros"] = (
            {"size": draw(st.one_of(st.integers(1, 9), st.booleans(), WORD))} if index % 2 else {}
        )
        document["models"][name] = table
    document.update(draw(beside(every)))
    return document


@st.composite
def beside(draw, every):
    """Everything that speaks of models by name."""
    found = {}
    flags = st.booleans()
    if draw(flags):
        halves = [every[::2], every[1::2]]
        found["groups"] = {
            f"g{index}": {
                "swap": draw(flags),
                "exclusive": draw(flags),
                "persistent": draw(flags),
                "members": members,
            }
            for index, members in enumerate(halves)
            if members
        }
    elif draw(flags):
        names = {f"m{index}": name for index, name in enumerate(every)}
        found["matrix"] = {
            "vars": names,
            "sets": {"a": " & ".join(names), "b": " | ".join(names)},
            "evict_costs": dict.fromkeys(names, 3),
        }
    if draw(flags):
        found["hooks"] = {"on_startup": {"preload": [draw(st.sampled_from(every))]}}
    if draw(flags):
        found["peers"] = {
            "far": {
                "proxy": "http://10.0.0.9:80",
                "models": ["far-model"],
                "timeouts": {"connect": 5},
            }
        }
    if draw(flags):
        found["selectors"] = {"any": {"strategy": "pin", "targets": every}}
    if draw(flags):
        found["profiles"] = {"work": {"description": "d", "pins": {"x": every[0]}}}
    if draw(flags):
        found["apiKeys"] = ["${env.KEY}"]
    return found


SLOW = settings(
    max_examples=20,
    # What fails is small enough to read; making it smaller costs minutes.
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def empty(value):
    """Whether a value says nothing, nor what is in it."""
    if isinstance(value, dict):
        return all(map(empty, value.values()))
    return value in ([], "")


def dump(document):
    return yaml.safe_dump(document, sort_keys=False)


@pytest.mark.thorough
@SLOW
@given(swap_files(), st.randoms(use_true_random=False))
def test_each_key_is_in_the_result_or_named(document, random):
    before = run(dump(document))
    assert before[0], before[1]
    every, known, silent = [*leaves(document)], usual(), []
    for path in random.sample(every, min(len(every), 5)):
        less, value = without(document, path)
        excused = (
            goes_without_saying(path[-1], value, known)
            or empty(value)
            or repeats(path, value, less)
            or same_sets(path, document, less)
        )
        if not excused and run(dump(less)) == before:
            silent.append((path, value))
    assert silent == []


@pytest.mark.thorough
@SLOW
@given(swap_files())
def test_what_is_written_is_right_and_llama_swap_has_nothing_against_it(document):
    content, said = run(dump(document))
    chosen = config(content)
    wrong = findings(chosen, machine(chosen.hardware, chosen.budget))
    assert [item for item in wrong if item.severity is Severity.ERROR] == []
    placed = place(library(with_memory(content, said)))
    (artifact,) = llama_swap.artifacts(placed, make_render())
    text = artifact.content.decode()
    assert {*problems(text)} - {"${PID} is no macro"} == set()
    left = " ".join(said)
    served = yaml.safe_load(text)["models"]
    for name, table in document["models"].items():
        assert name in served or f"`{name}`" in left
        assert {*table["aliases"]} <= {*served[name].get("aliases", ())} or "the alias" in left


@pytest.mark.parametrize(
    "text", ["models: {}\nmacros: {a: 1}", "groups: {}\nmodels: {}", "peers: {}"]
)
def test_files_with_nothing_in_them_are_refused_or_say_so(text):
    content, said = run(text)
    assert said or re.search(r"^edition", content)
