"""Routes of the Gateway API: to Envoy, which reads bodies, or to Services by path and header."""

import pytest
from made import objects, stack

from llmgen.errors import ConfigError

STACK = """
[services]
on_demand = "llama_swap"
[kubernetes]
gateway = "gateway-api"
[models.embed]
role = "embedding"
model = "e.gguf"
ctx_size = 512
default = true
[models.other]
role = "embedding"
model = "o.gguf"
ctx_size = 512
aliases = ["ada.2"]
[models.coder]
model = "c.gguf"
ctx_size = 1024
aliases = ["gpt-4.1"]
"""
ENVOY = "[gateway.envoy]\nenable = true\n"


def routes(text):
    return [item for item in objects(stack(text)) if item["kind"] == "HTTPRoute"]


def served(found, path, **headers):
    """The Service that the most exact match leads to, as the Gateway API ranks them."""
    best = None
    for rule in (rule for route in found for rule in route["spec"]["rules"]):
        for match in rule["matches"]:
            prefix = match["path"]["value"].rstrip("/")
            asked = match.get("headers", [])
            if not (path == prefix or path.startswith(f"{prefix}/")):
                continue
            if any(headers.get(item["name"].replace("-", "_")) != item["value"] for item in asked):
                continue
            rank = (len(prefix), len(asked))
            if best is None or rank > best[0]:
                best = (rank, rule["backendRefs"][0]["name"])
    return best and best[1]


def test_envoy_is_asked_where_it_is():
    (route,) = routes(STACK + ENVOY)
    (rule,) = route["spec"]["rules"]
    assert rule["backendRefs"] == [
        {"group": "", "kind": "Service", "name": "envoy", "port": 4001, "weight": 1}
    ]
    assert rule["timeouts"] == {"request": "4200s"}


def test_litellm_is_asked_where_there_is_no_envoy():
    (route,) = routes(STACK + '[gateway.litellm]\nenable = true\nmaster_key = { env = "K" }')
    assert route["spec"]["rules"][0]["backendRefs"][0]["name"] == "litellm"


def test_a_path_leads_to_the_default_of_its_role():
    found = routes(STACK)
    assert served(found, "/v1/embeddings") == "model-embed"
    assert served(found, "/v1/chat/completions") == "swap-nodes"


def test_a_header_names_another_model():
    found = routes(STACK)
    assert served(found, "/v1/embeddings", x_llm_model="ada.2") == "model-other"
    assert served(found, "/v1/chat/completions", x_llm_model="gpt-4.1") == "swap-nodes"


def test_many_models_are_split_over_routes():
    models = "\n".join(
        f'[models.m{at}]\nrole = "embedding"\nmodel = "m{at}.gguf"\nctx_size = 512\n'
        f"aliases = {[f'a{at}.{one}' for one in range(70)]}"
        for at in range(20)
    )
    text = f'[services]\non_demand = "none"\n[kubernetes]\ngateway = "gateway-api"\n{models}'
    found = routes(text)
    for route in found:
        rules = route["spec"]["rules"]
        assert len(rules) <= 16
        assert max(len(rule["matches"]) for rule in rules) <= 64
        assert sum(len(rule["matches"]) for rule in rules) <= 127
    assert served(found, "/v1/embeddings", x_llm_model="a19.69") == "model-m19"


def test_who_is_served_without_a_key_is_said():
    told = [note.message for note in stack(STACK).cluster.notes]
    assert any("nobody is asked for a key" in text for text in told)
    assert any("`x-llm-model`" in text for text in told)


ROUTES = '`gateway = "gateway-api"` in [kubernetes]'
KEY = '{ env = "K" }'


@pytest.mark.parametrize(
    ("gateway", "told", "hint"),
    [
        ("gateway-api", "", "`enable = true` and `api_keys` in [gateway.envoy]"),
        ("gateway-api", "[gateway.envoy]\nenable = true", "`api_keys` in [gateway.envoy]"),
        ("gateway-api", "[gateway.litellm]\nenable = true", "`master_key` in [gateway.litellm]"),
        ("gateway-api", f"[gateway.litellm]\nenable = true\nmaster_key = {KEY}", None),
        (
            "gateway-api",
            f'[gateway.envoy]\nenable = true\napi_keys = [{{ name = "a", secret = {KEY} }}]',
            None,
        ),
        (
            "inference-extension",
            "",
            f"{ROUTES} with `enable = true` and `api_keys` in [gateway.envoy]",
        ),
    ],
)
def test_hint_names_what_is_not_there_yet(gateway, told, hint):
    text = STACK.replace('gateway = "gateway-api"', f'gateway = "{gateway}"') + told
    notes = {note.message: note.hint for note in stack(text).cluster.notes}
    found = {hint for message, hint in notes.items() if "nobody is asked for a key" in message}
    assert found == ({hint} if hint else set())


@pytest.mark.parametrize(
    ("more", "key"),
    [
        (
            '[gateway.envoy]\nenable = false\napi_keys = [{ name = "a", secret = { env = "A" } }]',
            ("gateway", "envoy", "api_keys"),
        ),
        (
            "[gateway.envoy]\nenable = false\nrequests_per_minute = 3",
            ("gateway", "envoy", "requests_per_minute"),
        ),
        ('[external.far]\nendpoint = "http://10.0.0.1:80/v1"', ("external", "far")),
    ],
)
def test_what_no_route_can_say_is_refused(more, key):
    with pytest.raises(ConfigError) as found:
        stack(f"{STACK}\n{more}")
    (diagnostic,) = found.value.diagnostics
    assert (diagnostic.code, diagnostic.key) == ("kubernetes.route", key)
    assert "[gateway.envoy]" in diagnostic.hint
