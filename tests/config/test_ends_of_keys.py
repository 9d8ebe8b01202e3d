"""The ends of every number that llm.toml takes for llama-server: the real parser takes them, too."""

import json

import pytest
from importing.parser import starts_with
from making import HEAD, config, facts

from llmgen.config.tables.base import INT32, LEAST_FLOAT32
from llmgen.config.tables.models import ServerOptions
from llmgen.config.tables.sampling import Sampling
from llmgen.plan.command import argv
from llmgen.resolve import resolve

pytestmark = pytest.mark.reader("llama-server")

# Which device is no matter of the parser's, and this build has none.
ASIDE = {"main_gpu", "tensor_split"}
# Sizes, which the schema describes as texts, too.
SIZES = {"ctx_size": [1, INT32], "cache_ram": [0, INT32 * 2**20]}


def ends(table):
    """Key -> the least and the largest number that the schema allows, and the least above 0."""
    for key, schema in table.model_json_schema()["properties"].items():
        if key in SIZES:
            yield key, SIZES[key]
            continue
        numbers = [
            one for one in schema.get("anyOf", [schema]) if one.get("type") in ("integer", "number")
        ]
        for one in numbers if key not in ASIDE else ():
            least = one.get("minimum", LEAST_FLOAT32 if "exclusiveMinimum" in one else None)
            found = [least, one.get("maximum")]
            found += [LEAST_FLOAT32] if one["type"] == "number" else []
            yield key, [number for number in found if number is not None]


CASES = [
    (table, key, number)
    for table, owner in (("", ServerOptions), ("sampling", Sampling))
    for key, numbers in ends(owner)
    for number in numbers
]


def test_there_are_ends():
    assert {"ctx_checkpoints", "temp", "rope_scale", "top_k"} <= {key for _, key, _ in CASES}


@pytest.mark.parametrize("largest", [False, True])
def test_the_server_takes_both_ends_of_every_key(largest):
    keys, sampling = {}, {}
    for table, key, number in CASES:
        owner = sampling if table else keys
        if key not in owner or (number > owner[key]) is largest:
            owner[key] = number
    refused = taken(keys, sampling)
    assert not refused, refused


def test_the_server_takes_the_least_number_above_zero():
    numbers = [case for case in CASES if case[2] == LEAST_FLOAT32]
    refused = taken(
        {key: number for table, key, number in numbers if not table},
        {key: number for table, key, number in numbers if table},
    )
    assert not refused, refused


def taken(keys, sampling):
    """What the server says of a model with these keys; nothing when it would start."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    inner = ", ".join(f"{key} = {json.dumps(value)}" for key, value in sampling.items())
    head = HEAD.replace('devices = [{ memory = "24GiB" }]', "devices = []").replace("cuda", "cpu")
    text = "\n".join(['[models.a]\nmodel = "a.gguf"', *lines, f"sampling = {{ {inner} }}\n"])
    library = resolve(config(text, head=head), {"file:a.gguf": facts("a.gguf")})
    (model,) = library.models
    return starts_with(argv(model, model.settings, library)[1:])
