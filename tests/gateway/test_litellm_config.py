"""LiteLLM's config.yaml: rows, aliases, fallbacks, keys by reference, and no key it ignores."""

import ast
import subprocess

import pytest
import readers
from readers.systemd_syntax import read_environment_file
from targets.plans import STACK, plan
from yaml_reader import read_yaml

from llmgen.errors import ConfigError
from llmgen.gateway.secrets import read_manifest
from llmgen.render.environment import make_render
from llmgen.targets import litellm

MORE = """
[models.chat]
model = "small.gguf"
keep = "always"
aliases = ["mini"]
replicas = ["10.0.0.2:9000"]
fallbacks = ["big"]
context_window_fallbacks = ["big"]
[models.chat.variants.cold]
aliases = ["frozen"]
params = { temperature = 0.0 }
[external.far]
endpoint = "https://api.example.org/v1"
upstream_model = "far-1"
api_key = { env = "FAR" }
"""


def files(text=STACK + MORE):
    text = text.replace(
        "[gateway.litellm]\nenable = true\n",
        '[gateway.litellm]\nenable = true\nmaster_key = { env = "MASTER" }\nmax_budget = 5.0\n'
        "prometheus = true\n",
    )
    return {item.path.name: item.content for item in litellm.artifacts(plan(text), make_render())}


def config_of(text=STACK + MORE):
    return read_yaml(files(text)["config.yaml"])


def rows(name):
    found = config_of()["model_list"]
    return [row["litellm_params"] for row in found if row["model_name"] == name]


def test_a_row_for_each_server_and_none_for_an_alias():
    names = [row["model_name"] for row in config_of()["model_list"]]
    assert names == [
        *("big", "big:think", "small/coder", "embed", "rank"),
        *("chat", "chat", "cold", "cold", "far"),
    ]
    assert [row["api_base"].rpartition(":")[2] for row in rows("chat")][1] == "9000/v1"


def test_aliases_point_to_their_row():
    aliases = config_of()["router_settings"]["model_group_alias"]
    assert aliases == {
        "gpt-4o": "big",
        "deep": "big:think",
        "text-embedding-3-small": "embed",
        "mini": "chat",
        "frozen": "cold",
    }


def test_rerank_goes_by_a_provider_that_has_it():
    assert rows("rank")[0]["model"] == "hosted_vllm/rank"
    assert rows("embed")[0]["model"] == "openai/embed"
    assert (
        rows("far")[0] | {"model": "openai/far-1", "api_base": "https://api.example.org:443/v1"}
        == rows("far")[0]
    )


def test_fallbacks_are_named_for_every_name():
    settings = config_of()["router_settings"]
    wanted = [{name: ["big"]} for name in ("chat", "mini", "cold", "frozen")]
    assert settings["fallbacks"] == settings["context_window_fallbacks"] == wanted
    assert settings["enable_pre_call_checks"] is True
    assert config_of(STACK)["router_settings"]["enable_pre_call_checks"] is False


def test_variants_are_llama_swaps_own_or_in_the_body():
    assert rows("big:think")[0]["model"] == "openai/big:think"
    assert "extra_body" not in rows("big:think")[0]
    assert rows("cold")[0]["extra_body"] == {"temperature": 0.0}


def test_keys_are_names_of_variables_that_the_manifest_fills():
    found = files()
    assert config_of()["general_settings"]["master_key"] == "os.environ/LITELLM_MASTER_KEY"
    wanted = {row["litellm_params"]["api_key"] for row in config_of()["model_list"]}
    variables = {f"os.environ/{name}" for name in read_environment_file(found["keys.env"].decode())}
    assert wanted == variables - {"os.environ/LITELLM_MASTER_KEY"}
    manifest = read_manifest(found["keys.json"])
    assert manifest.secrets.keys() == {"master", "llama-server", "llama-swap", "external.far"}


def test_each_mode_is_the_one_its_health_check_needs():
    modes = {row["model_name"]: row["model_info"]["mode"] for row in config_of()["model_list"]}
    assert (modes["big"], modes["embed"], modes["rank"]) == ("chat", "embedding", "rerank")


@pytest.mark.thorough
@pytest.mark.reader("litellm")
def test_every_key_of_the_file_is_one_that_litellm_reads():
    """LiteLLM accepts misspelt keys without a word; its own code says which it has."""
    known, document = known_keys(), config_of(STACK + MORE)
    assert document.keys() == {
        "model_list",
        "router_settings",
        "litellm_settings",
        "general_settings",
    }
    for row in document["model_list"]:
        assert row.keys() == {"model_name", "litellm_params", "model_info"}
        assert row["litellm_params"].keys() - known["params"] == set()
        assert row["model_info"].keys() - known["info"] == set()
    for section in ("router_settings", "litellm_settings", "general_settings"):
        assert document[section].keys() - known[section] == set(), section
    assert document["router_settings"]["retry_policy"].keys() - known["retry_policy"] == set()


# The proxy's server is read and not imported: that alone takes half of the time.
SCRIPT = """
import importlib.util, inspect, re
import litellm, openai
from litellm import Router, router
from litellm.router_utils import client_initalization_utils
from litellm.types.router import GenericLiteLLMParams, LiteLLM_Params, RetryPolicy
from litellm.types.utils import ModelInfo
from litellm.proxy._types import ConfigGeneralSettings
server = importlib.util.find_spec("litellm.proxy.proxy_server")
text = server.loader.get_source(server.name)
routing = inspect.getsource(router) + inspect.getsource(client_initalization_utils)
print({
    "params": sorted({*LiteLLM_Params.model_fields, *inspect.signature(litellm.completion).parameters,
        *inspect.signature(openai.resources.chat.Completions.create).parameters,
        *re.findall(r'litellm_params(?:_dict)?\\.get\\(\\s*"([a-z_]+)"', routing)}),
    "info": sorted(ModelInfo.__annotations__),
    "router_settings": sorted(inspect.signature(Router.__init__).parameters),
    "litellm_settings": sorted(name for name in dir(litellm)),
    "general_settings": sorted({
        *ConfigGeneralSettings.model_fields,
        *re.findall(r'general_settings\\.get\\(\\s*"([a-z_]+)"', text),
    }),
    "retry_policy": sorted(RetryPolicy.model_fields),
})
"""


def known_keys():
    python = readers.find("litellm").with_name("python")
    variables = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [python, "-c", SCRIPT], env=variables, capture_output=True, text=True, check=True
    )
    return {key: set(names) for key, names in ast.literal_eval(done.stdout).items()}


@pytest.mark.parametrize(("enabled", "refused"), [("true", True), ("false", False)])
def test_two_keys_are_never_one_variable(enabled, refused):
    # The one server would be sent the other's key.
    text = f"[gateway.litellm]\nenable = {enabled}\n" + "".join(
        f'[external."{name}"]\nendpoint = "http://{name}"\napi_key = {{ env = "{key}" }}\n'
        for name, key in (("a.b", "ONE"), ("a-b", "TWO"))
    )
    if not refused:
        assert files(text)
        return
    with pytest.raises(ConfigError, match="`LLM_KEY_EXTERNAL_A_B`"):
        files(text)


PASSED = """
[external.far]
endpoint = "https://api.example.org/v1"
fallbacks = ["big"]
litellm = { rpm = 60, timeout = 90, drop_params = true, model_info = { input_cost_per_token = 0.5 } }
[gateway.litellm.extra]
router_settings = { num_retries = 3, redis_host = "os.environ/REDIS_HOST", retry_policy = { TimeoutErrorRetries = 2 } }
litellm_settings = { cache = true, cache_params = { type = "redis" }, drop_params = false, callbacks = ["langfuse"] }
general_settings = { database_url = "os.environ/DATABASE_URL" }
model_list = [{ model_name = "claude", litellm_params = { model = "anthropic/claude" } }]
"""


def test_what_passes_through_stands_in_its_section_or_row():
    document = config_of(STACK + PASSED)
    row = next(item for item in document["model_list"] if item["model_name"] == "far")
    assert {key: row["litellm_params"][key] for key in ("rpm", "timeout", "drop_params")} == {
        "rpm": 60, "timeout": 90, "drop_params": True,
    }  # fmt: skip
    assert row["model_info"]["input_cost_per_token"] == 0.5
    assert document["model_list"][-1] == {
        "model_name": "claude",
        "litellm_params": {"model": "anthropic/claude"},
    }
    router = document["router_settings"]
    assert (router["num_retries"], router["redis_host"]) == (3, "os.environ/REDIS_HOST")
    assert router["retry_policy"]["TimeoutErrorRetries"] == 2
    assert router["retry_policy"]["ServiceUnavailableErrorRetries"] == 12
    assert {"far": ["big"]} in router["fallbacks"]
    settings = document["litellm_settings"]
    assert settings["cache_params"] == {"type": "redis"}
    assert (settings["drop_params"], settings["callbacks"]) == (False, ["prometheus", "langfuse"])
    assert document["general_settings"]["database_url"] == "os.environ/DATABASE_URL"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[gateway.litellm.extra]\ngeneral_settings = { master_key = 'x' }", "writes `master_key`"),
        ("[gateway.litellm.extra]\nrouter_settings = []", "`router_settings` of LiteLLM has to be a"),
        ("[gateway.litellm.extra]\nmodel_list = [{ model_name = 'x' }]", "lacks its name or its"),
        ("[gateway.litellm.extra]\nlitellm_settings = { redis_password = 'x' }", "looks like a secret"),
        ("[gateway.litellm.extra]\ngeneral_settings = { database_url = 'pg://me:x@h/d' }", "a secret"),
        ("[external.e]\nendpoint = 'http://h:1'\nlitellm = { api_base = 'x' }", "writes `api_base`"),
        ("[external.e]\nendpoint = 'http://h:1'\nlitellm = { model_info = 3 }", "`model_info` of"),
        ("[external.e]\nendpoint = 'http://h:1'\nfallbacks = ['q']", "no model is called `q`"),
    ],
)  # fmt: skip
def test_what_litellm_would_not_take_is_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        config_of(STACK.replace("[gateway.litellm]\nenable = true\n", "") + text)
