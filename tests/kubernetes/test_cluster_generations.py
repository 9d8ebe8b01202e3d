"""Records of what was applied: whole, in parts, damaged."""

import base64
import gzip
import json
import random

import pytest

from llmgen.errors import InputError
from llmgen.operate.kubectl.history import chosen, generations, numbers, recorded
from llmgen.operate.kubectl.objects import is_generation, is_ours


def objects(count=2, size=10):
    draw = random.Random(1)
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"c{number}", "namespace": "llm"},
            "data": {"a": draw.randbytes(size).hex()},
        }
        for number in range(count)
    ]


def test_what_is_recorded_is_read_again():
    made = recorded(3, "install", objects(), "llm")
    (found,) = generations(made)
    assert (found.number, found.reason, [*found.objects]) == (3, "install", objects())
    assert all(is_ours(item) and is_generation(item) for item in made)


def test_the_same_objects_are_the_same_record():
    assert recorded(1, "install", objects(), "llm") == recorded(1, "install", objects(), "llm")


def test_a_large_one_is_in_parts_that_an_object_holds():
    large = objects(40, 100_000)
    made = recorded(12, "install", large, "llm")
    assert len(made) > 2
    assert all(len(json.dumps(item)) < 1 << 20 for item in made)
    assert len({item["metadata"]["name"] for item in made}) == len(made)
    (found,) = generations(reversed(made))
    assert [*found.objects] == large
    assert generations(made[1:]) == []
    assert numbers(made[1:]) == [12]


def damaged(data):
    (item,) = recorded(1, "install", objects(), "llm")
    return {**item, "binaryData": {"objects.gz": data}}


def packed(data):
    return base64.b64encode(gzip.compress(data, 1)).decode()


@pytest.mark.parametrize(
    "data",
    [
        lambda: "",
        lambda: "no base64",
        lambda: 7,
        lambda: base64.b64encode(b"no gzip").decode(),
        lambda: packed(b"no json"),
        lambda: packed(b"[1]"),
        lambda: packed(b"{}"),
        lambda: packed(b"[" * 200_000),
        # 300 MiB of zeros.
        lambda: packed(bytes(300 << 20)),
    ],
    ids=range(9),
)
def test_damaged_ones_are_in_nobodys_way(data):
    good = recorded(2, "install", objects(), "llm")
    assert [item.number for item in generations([damaged(data()), *good])] == [2]


def test_which_one():
    known = generations(
        [item for n in (1, 2, 10) for item in recorded(n, "install", objects(), "llm")]
    )
    assert [item.number for item in known] == [1, 2, 10]
    assert chosen(known, None).number == 2
    assert chosen(known, 1).number == 1
    with pytest.raises(InputError, match="generation 7"):
        chosen(known, 7)
    with pytest.raises(InputError, match="earlier"):
        chosen(known[:1], None)
