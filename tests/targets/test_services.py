"""What runs, in which order, with which environment and secrets."""

import plans
import pytest

from llmgen.config.tables.base import Secret
from llmgen.errors import ConfigError, PlanError
from llmgen.plan.pools import pools
from llmgen.render.environment import make_render
from llmgen.targets import systemd
from llmgen.targets.services import services

ROUTER = """
[services]
on_demand = "router"
[services.router]
port = 8087
sleep_idle_seconds = 60
api_keys = [{ env = "ROUTER_KEY" }]
[models.a]
model = "a.gguf"
environment = { ONE = "1", TOKEN = { file = "/etc/token" } }
[models.b]
model = "b.gguf"
environment = { ONE = "1" }
"""


def by_name(text=plans.STACK, **more):
    return {item.name: item for item in services(plans.plan(text, **more))}


def test_models_start_first_then_their_engine_then_the_gateways():
    assert list(by_name()) == ["model-embed", "model-rank", "swap", "envoy", "litellm"]


def test_only_what_is_enabled_runs():
    text = '[services]\non_demand = "none"\n[models.a]\nmodel = "a.gguf"\n'
    assert list(by_name(text)) == ["model-a"]


def test_router_is_told_how_many_models_fit():
    words = by_name(ROUTER)["router"].argv
    assert words[words.index("--models-max") + 1] == "2"
    assert words[words.index("--sleep-idle-seconds") + 1] == "60"
    assert words[words.index("--models-preset") + 1].endswith("/llama-server/models.ini")


def test_router_has_one_environment_for_all():
    found = by_name(ROUTER)["router"]
    assert ("ONE", "1") in found.environment
    assert dict(found.secrets) == {
        "LLAMA_API_KEY": Secret(env="ROUTER_KEY"),
        "TOKEN": Secret(file="/etc/token"),
    }
    with pytest.raises(PlanError, match="`ONE` of `b`"):
        by_name(ROUTER.replace('environment = { ONE = "1" }', 'environment = { ONE = "2" }'))


def test_router_lists_no_models_of_a_users_cache():
    assert dict(by_name(ROUTER)["router"].environment)["LLAMA_CACHE"].endswith("/llmgen/router")


def test_swap_gets_the_secrets_of_its_models_and_clients():
    assert dict(by_name()["swap"].secrets) == {
        "SERVER_KEY": Secret(env="SERVER_KEY"),
        "LLMGEN_SECRET_ETC_TOKEN": Secret(file="/etc/token"),
    }


def test_watching_the_file_is_a_wish():
    assert "-watch-config" not in by_name()["swap"].argv
    text = plans.STACK.replace(
        "[services.llama_swap]\n", "[services.llama_swap]\nwatch_config = true\n"
    )
    assert by_name(text)["swap"].argv[-1] == "-watch-config"


def test_gate_is_asked_before_what_takes_memory():
    units = {
        item.path.name: item.content.decode()
        for item in systemd.artifacts(
            plans.plan(plans.STACK + "[guard]\ngate = true\n"), make_render()
        )
    }
    gated = {name: text for name, text in units.items() if "ExecCondition" in text}
    assert gated
    for name, text in gated.items():
        model = name.removeprefix("llmgen-model-").removesuffix(".service")
        assert f"llm.toml guard --gate {model}\n" in text
    assert "ExecCondition" not in units["llmgen-swap.service"]
    assert "ExecCondition" not in units["llmgen-envoy.service"]


def test_two_secrets_are_never_one_variable():
    text = """
[models.a]
model = "a.gguf"
environment = { ONE = { file = "/etc/a-b" }, TWO = { file = "/etc/a_b" } }
"""
    with pytest.raises(ConfigError, match="`file = /etc/a-b` and `file = /etc/a_b`"):
        by_name(text)


@pytest.mark.parametrize("address", ["::1", "[::1]"])
def test_each_engine_gets_an_ipv6_address_in_the_spelling_that_it_reads(address):
    model = f'[models.a]\nmodel = "a.gguf"\n[services]\nlisten = "{address}"\n'
    swap = by_name(model.replace("[services]", "[services.llama_swap]"))["swap"].argv
    # Go takes HOST:PORT with brackets, llama-server's socket an address without.
    assert swap[swap.index("-listen") + 1] == "[::1]:8080"
    router = 'on_demand = "router"\n[services.router]'
    found = by_name(model.replace("[services]", f"[services]\n{router}"))["router"].argv
    assert found[found.index("--host") + 1] == "::1"


PAGE = """
[apps.open_webui]
enable = true
api_key = { env = "PAGE_KEY" }
secret_key = { file = "page.key" }
"""


def test_open_webui_is_a_service_after_the_gateways():
    found = {item.name: item for item in services(plans.plan(plans.STACK + PAGE))}
    page = found["open-webui"]
    assert page.argv[1:] == ("serve", "--host", "127.0.0.1", "--port", "3000")
    assert page.after == ("envoy", "litellm")
    told = dict(page.environment)
    assert told["OPENAI_API_BASE_URLS"] == "http://127.0.0.1:4001/v1"
    assert {"OPENAI_API_KEYS", "WEBUI_SECRET_KEY"} <= {name for name, _ in page.secrets}
    assert not {name for name, _ in page.secrets} & {*told}


def test_open_webui_is_counted_beside_the_models():
    native, more = plans.library(plans.STACK), plans.library(plans.STACK + PAGE)
    reserve = [
        pools(item.machine, item.config.gateway, item.config.apps)[0].reserve_bytes
        for item in (native, more)
    ]
    assert reserve[1] - reserve[0] == more.config.apps.open_webui.memory
