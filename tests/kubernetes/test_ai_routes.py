"""Routes for Envoy AI Gateway: every name leads to its server, within the limits of its resources."""

import re

import pytest
from made import objects, one, stack
from pod_stacks import ROUTED

from llmgen.errors import ConfigError

KEY = "x-ai-eg-model"


def routes(text):
    return [item for item in objects(stack(text)) if item["kind"] == "AIGatewayRoute"]


def rules(text):
    return [rule for route in routes(text) for rule in route["spec"]["rules"]]


def backend_of(found, name):
    """Where the first rule leads that matches, as a gateway would take it."""
    for rule in found:
        for match in rule["matches"]:
            (header,) = match["headers"]
            assert header["name"] == KEY
            exact = header["type"] == "Exact"
            if header["value"] == name if exact else re.fullmatch(header["value"], name):
                (backend,) = rule["backendRefs"]
                return backend
    return None


def test_an_alias_of_a_server_with_one_model_leads_to_it():
    assert backend_of(rules(ROUTED), "text-embedding-3-small")["name"] == "model-embed"


def test_llama_swap_hears_each_name_as_it_is_written():
    found = rules(ROUTED)
    for name in ("coder", "gpt-4.1", "thinker", "o3"):
        assert backend_of(found, name) == {"name": "swap-nodes", "weight": 1, "priority": 0}


def test_other_letters_become_the_name_that_does_the_same():
    found = rules(ROUTED)
    assert backend_of(found, "GPT-4.1")["modelNameOverride"] == "coder"
    assert backend_of(found, "O3")["modelNameOverride"] == "thinker"


def test_a_dot_in_a_name_is_a_dot():
    assert backend_of(rules(ROUTED), "GPT-4x1") is None


def test_a_variant_of_an_always_on_server_sets_its_parameters():
    text = ROUTED.replace("[models.coder]", '[models.coder]\nkeep = "always"')
    backend = backend_of(rules(text), "o3")
    assert backend["bodyMutation"] == {"set": [{"path": "top_k", "value": "7"}]}


def test_names_that_are_not_listed_are_no_exact_matches():
    text = ROUTED.replace("[models.embed]", "[models.embed]\nunlisted = true")
    found = rules(text)
    assert backend_of(found, "embed")["name"] == "model-embed"
    exact = [
        match["headers"][0]["value"]
        for rule in found
        for match in rule["matches"]
        if match["headers"][0]["type"] == "Exact"
    ]
    assert "embed" not in exact
    assert "coder" in exact


def test_a_long_silence_and_a_long_answer_are_waited_for():
    found = rules(ROUTED + "\n[gateway.envoy]\nenable = false\nstream_idle_timeout = 1800")
    assert {rule["timeouts"]["request"] for rule in found} == {"2400s"}


def test_forty_models_with_many_names_are_split_over_routes():
    aliases = "\n".join(
        f'[models.m{at}]\nrole = "embedding"\nmodel = "m{at}.gguf"\nctx_size = 512\n'
        f"aliases = {[f'a{at}.{one}' for one in range(20)]}"
        for at in range(40)
    )
    text = f'[services]\non_demand = "none"\n[kubernetes]\ngateway = "ai-gateway"\n{aliases}'
    found = routes(text)
    for route in found:
        assert len(route["spec"]["rules"]) <= 15
        # With the rule that the controller adds, an HTTPRoute's 128.
        assert sum(len(rule["matches"]) for rule in route["spec"]["rules"]) <= 126
        assert max(len(rule["matches"]) for rule in route["spec"]["rules"]) <= 64
    every = [rule for route in found for rule in route["spec"]["rules"]]
    assert backend_of(every, "A39.19")["name"] == "model-m39"
    names = [route["metadata"]["name"] for route in found]
    assert len({*names}) == len(names)


def test_a_reranker_speaks_the_api_that_the_gateway_has_for_it():
    text = ROUTED.replace('role = "embedding"', 'role = "rerank"')
    found = objects(stack(text))
    backend = one(found, "AIServiceBackend", "model-embed-rerank")
    assert backend["spec"]["schema"] == {"name": "Cohere", "version": "v1"}


def test_servers_are_looked_up_by_their_whole_names():
    found = objects(stack(ROUTED.replace("[kubernetes]", '[kubernetes]\ndomain = "k8s.example"')))
    (place,) = one(found, "Backend", "swap-nodes")["spec"]["endpoints"]
    assert place == {"fqdn": {"hostname": "swap-nodes.llm.svc.k8s.example", "port": 8080}}


def test_an_external_server_is_reached_by_its_own_name_and_certificate():
    text = (
        ROUTED + '[external.far]\nendpoint = "https://api.example.org/v1"\nupstream_model = "big"'
    )
    found = objects(stack(text))
    spec = one(found, "Backend", "external-far")["spec"]
    assert spec["endpoints"] == [{"fqdn": {"hostname": "api.example.org", "port": 443}}]
    assert spec["tls"]["wellKnownCACertificates"] == "System"
    assert backend_of(rules(text), "far")["modelNameOverride"] == "big"


def test_servers_that_want_a_key_are_given_it_by_reference():
    text = ROUTED.replace("[services]", '[services]\napi_key = { env = "LLM_KEY" }')
    found = objects(stack(text))
    policies = [item["spec"] for item in found if item["kind"] == "BackendSecurityPolicy"]
    (name,) = {item["apiKey"]["secretRef"]["name"] for item in policies}
    assert name.startswith("llmgen-keys-llm-key-")
    targets = {target["name"] for item in policies for target in item["targetRefs"]}
    assert targets == {"model-embed", "swap-nodes"}


def test_what_the_resources_cannot_say_is_refused():
    more = 'failover = [{ endpoint = "http://10.0.0.1:1" }]'
    text = ROUTED.replace("[models.embed]", f"[models.embed]\n{more}")
    with pytest.raises(ConfigError) as found:
        stack(text + "[gateway.envoy]\nenable = true")
    (diagnostic,) = found.value.diagnostics
    assert diagnostic.code == "kubernetes.ai-gateway"
    assert diagnostic.key == ("models", "embed", "failover")
    assert diagnostic.hint
