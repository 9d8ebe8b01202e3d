import json

import pytest

from llmgen.config.reference import NoSuchKey, look_up
from llmgen.config.schema import shipped

# What the models say is another test's matter.
SCHEMA = json.loads(shipped())


def values(path):
    return look_up(SCHEMA, path.split(".")).values


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("edition", "integer from 1"),
        ("models.a.ctx_size", 'integer from 0 | a size like "64K" or "1.5GiB" | "max"'),
        ("models.a.parallel", "integer from 1 to 256"),
        ("models.a.flash_attn", '"on" | "off" | "auto"'),
        ("models.a.jinja", "true | false"),
        ("models.a.ttl", 'integer from 0 | a time like "90s", "5m" or "1h"'),
        ("models.a.lora", "list of table"),
        ("models.a.variants.b.params", "table"),
        ("gateway.envoy.port", "integer from 1 to 65535"),
    ],
)
def test_a_key_says_what_it_takes(path, wanted):
    assert values(path) == wanted


def test_one_or_a_list_of_the_same_is_said_once():
    assert values("models.a.cache_type_k").endswith('"iq4_nl" | list of them')


def test_a_table_of_names_takes_any_name():
    assert look_up(SCHEMA, ["models", "coder", "ctx_size"]).path == "models.NAME.ctx_size"
    (below,) = look_up(SCHEMA, ["models"]).keys
    assert below.path == "models.NAME"


def test_every_key_is_reached_and_explained():
    def walk(path, depth=0):
        for place in look_up(SCHEMA, path).keys:
            name = place.path.rpartition(".")[2]
            assert place.values, place.path
            assert place.text or name == "NAME", place.path
            seen.add(place.path)
            if depth < 5:
                walk([*path, name], depth + 1)

    seen = set()
    walk([])
    assert {"models.NAME.draft.spec_type", "gateway.envoy.api_keys.secret", "plan.prefer"} <= seen


@pytest.mark.parametrize(
    ("path", "near"),
    [("models.a.ctxsize", "models.NAME.ctx_size"), ("gatway", "gateway"), ("edition.x", "")],
)
def test_a_wrong_key_names_the_nearest(path, near):
    with pytest.raises(NoSuchKey) as told:
        look_up(SCHEMA, path.split("."))
    assert told.value.near == near
