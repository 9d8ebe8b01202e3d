"""Keys of llama-swap that pass through: rendered as they are, checked by its own schema."""

import plans
import pytest
from readers.llama_swap_rules import problems
from yaml_reader import read_yaml

from llmgen.config.edit import value_text
from llmgen.errors import ConfigError, PlanError
from llmgen.render.environment import make_render
from llmgen.targets import llama_swap
from llmgen.targets.services import services

ONE = '[models.a]\nmodel = "a.gguf"\naliases = ["b"]\n'


def rendered(text):
    (found,) = llama_swap.artifacts(plans.plan(text), make_render())
    return found.content.decode()


def refused(text):
    with pytest.raises(ConfigError) as caught:
        plans.plan(text)
    return [(item.code, item.message, item.key[-1]) for item in caught.value.diagnostics]


def test_keys_of_the_file_stand_in_it():
    extra = {
        "logTimeFormat": "rfc3339",
        "store": {"path": "/var/lib/llm/activity.db"},
        "performance": {"disabled": False, "every": "30s"},
        "ui": {"activity": {"session_id": []}},
        "upstream": {"ignorePaths": [r"\.css$"]},
        "selectors": {"any": {"strategy": "warm", "targets": ["a"]}},
        "profiles": {"p": {"pins": {"x": "any", "y": ""}}},
    }
    text = rendered(ONE + "[targets.llama_swap.extra]\n" + toml(extra))
    found = read_yaml(text)
    assert {key: found[key] for key in extra} == extra
    assert problems(text) == []


def toml(table):
    return "".join(f"{key} = {value_text(value)}\n" for key, value in table.items())


def test_keys_of_a_model_stand_in_its_entry():
    own = {
        "cmdStop": "kill -INT ${PID}",
        "useModelName": "upstream/name",
        "metadata": {"port": "${PORT}", "tags": ["fast", 1]},
        "timeouts": {"responseHeader": 60},
        "compat": {"ignoreWebsockets": True},
        "sendLoadingState": True,
    }
    text = rendered(ONE + "[models.a.llama_swap]\n" + toml(own))
    found = read_yaml(text)["models"]["a"]
    assert {key: found[key] for key in own} == own
    assert set(problems(text)) <= {"${PID} is no macro"}


def test_what_llmgen_fills_in_is_changed_key_by_key():
    own = {
        "checkEndpoint": "none",
        "unloadTimeout": 90,
        "capabilities": {"in": ["text", "audio"]},
        "filters": {"stripParams": "top_p", "setParamsByID": {"b": {"top_k": 1}}},
    }
    variant = "[models.a.variants.c]\nparams = { top_k = 2 }\n"
    text = rendered(ONE + "[models.a.llama_swap]\n" + toml(own) + variant)
    found = read_yaml(text)["models"]["a"]
    assert (found["checkEndpoint"], found["unloadTimeout"]) == ("none", 90)
    assert found["capabilities"] == {
        "in": ["text", "audio"], "out": ["text"], "context": 8192, "tools": True,
    }  # fmt: skip
    assert found["filters"] == {
        "stripParams": "top_p",
        "setParamsByID": {"b": {"top_k": 1}, "c": {"top_k": 2}},
    }
    assert problems(text) == []


@pytest.mark.parametrize(
    ("line", "message", "key"),
    [
        ("nonsense = 1", "llama-swap has no key `nonsense`", "nonsense"),
        ("logTimeFormt = 'stamp'", "llama-swap has no key `logTimeFormt`", "logTimeFormt"),
        ("startPort = 5", "llmgen writes `startPort` itself", "startPort"),
        ("store = {}", "`store` lacks `path`", "store"),
        ("store = { path = 1 }", "`store.path` has to be text in quotes", "path"),
        ("upstream = { paths = [] }", "`upstream` has no `paths`", "upstream"),
        ("performance = { every = 'often' }", None, "every"),
        ("selectors = { s = { strategy = 'cold', targets = ['a'] } }", None, "strategy"),
        (
            "selectors = { s = { strategy = 'warm', targets = ['q'] } }",
            "no model is called `q`",
            0,
        ),
        (
            "selectors = { b = { strategy = 'warm', targets = ['a'] } }",
            "the selector `b` has the name of a model",
            "b",
        ),
        ("profiles = { p = { pins = { x = 'q' } } }", "no model is called `q`", "x"),
        ("store = { path = '${HERE}/a.db' }", None, "path"),
        ("store = { path = '${env.HOME}/a.db' }", None, "path"),
    ],
)
def test_key_of_the_file_that_llama_swap_would_not_take(line, message, key):
    (found,) = refused(ONE + f"[targets.llama_swap.extra]\n{line}\n")
    assert found[2] == key
    assert message is None or found[1] == message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cmd = 'x'", "llmgen writes `cmd` itself"),
        ("ttl = 5", "llmgen writes `ttl` itself"),
        ("cmdstop = 'x'", "llama-swap has no key `cmdstop`"),
        ("timeouts = { connect = -1 }", "`timeouts.connect` has to be at least 0"),
        ("filters = { setParamsByID = { new = { top_k = 1 } } }",
         "`new` in `setParamsByID` would be a new name of `a`"),
        ("filters = { setParams = { api_key = 'sk-1' } }",
         "`api_key` looks like a secret, and would stand in a generated file"),
        ("metadata = { at = '${WHERE}' }", "`${WHERE}` is a macro to llama-swap, and nothing defines it"),
    ],
)  # fmt: skip
def test_key_of_a_model_that_llama_swap_would_not_take(line, message):
    (found,) = refused(ONE + f"[models.a.llama_swap]\n{line}\n")
    assert found[1] == message


def test_key_that_the_aimed_version_does_not_read():
    text = ONE + "[targets.llama_swap]\nversion = 240\nextra = { selectors = {} }\n"
    ((_, message, _),) = refused(text)
    assert message == "`selectors` is read since version 241 of llama-swap, and 240 is aimed at"


def test_an_always_on_model_has_no_entry_to_put_it_in():
    text = ONE + 'keep = "always"\nllama_swap = { useModelName = "x" }\n'
    assert "models.no-effect" in [item.code for item in plans.plan(text).library.notes]


FAR = """
[external.far-model]
endpoint = "https://api.example.org/api"
api_key = { env = "FAR_KEY" }
aliases = ["far"]
llama_swap = { filters = { stripParams = "top_k" }, timeouts = { connect = 5 } }
[external.other]
endpoint = "http://10.0.0.2:8000"
upstream_model = "far-model"
"""


def test_models_of_other_servers_are_peers_and_further_names_selectors():
    text = rendered(ONE + FAR)
    found = read_yaml(text)
    assert found["peers"] == {
        "external-far-model": {
            "proxy": "https://api.example.org/api",
            "apiKey": "${env.FAR_KEY}",
            "models": ["far-model"],
            "filters": {"stripParams": "top_k"},
            "timeouts": {"connect": 5},
        },
        "external-other": {"proxy": "http://10.0.0.2:8000", "models": ["far-model"]},
    }
    targets = {name: table["targets"] for name, table in found["selectors"].items()}
    # Both servers have a model of that name: only the full one is clear.
    assert targets == {
        "far-model": ["external-far-model/far-model"],
        "far": ["external-far-model/far-model"],
        "other": ["external-other/far-model"],
    }


def test_the_keys_of_peers_are_in_the_environment_of_llama_swap():
    (swap,) = (item for item in services(plans.plan(ONE + FAR)) if item.name == "swap")
    assert "FAR_KEY" in dict(swap.secrets)


def test_a_gateway_has_them_instead():
    text = rendered(ONE + FAR + "[gateway.envoy]\nenable = true\n")
    assert "peers" not in read_yaml(text)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("{ strategy = 'warm', targets = ['a', 'far'] }", "does not load `far`"),
        ("{ strategy = 'spillover', targets = ['a', 'c'] }", "`a` and `c` do not fit together"),
    ],
)
def test_selector_that_llama_swap_would_refuse(table, message):
    more = '[models.c]\nmodel = "c.gguf"\n' + FAR
    with pytest.raises(PlanError, match=message):
        rendered(f"[targets.llama_swap.extra]\nselectors = {{ s = {table} }}\n" + ONE + more)
