"""Who is let in by Envoy AI Gateway, and how much each client may ask for."""

import pytest
from made import objects, one, stack

from llmgen.errors import ConfigError

STACK = """
[kubernetes]
gateway = "ai-gateway"
[models.coder]
model = "c.gguf"
ctx_size = 1024
"""
KEYED = """
[gateway.envoy]
enable = false
api_keys = [{ name = "alice", secret = { env = "ALICE" } }]
requests_per_minute = 30
cors_origins = ["https://chat.example.org"]
"""


def test_without_keys_nobody_outside_the_cluster_reaches_it():
    found = objects(stack(STACK))
    provider = one(found, "EnvoyProxy")["spec"]["provider"]
    assert provider["kubernetes"]["envoyService"]["type"] == "ClusterIP"
    assert not [item for item in found if item["kind"] == "SecurityPolicy"]


def test_keys_open_it_to_those_who_have_one():
    found = objects(stack(STACK + KEYED))
    provider = one(found, "EnvoyProxy")["spec"]["provider"]
    assert provider["kubernetes"]["envoyService"]["type"] == "LoadBalancer"
    spec = one(found, "SecurityPolicy")["spec"]
    assert spec["apiKeyAuth"]["credentialRefs"] == [
        {"group": "", "kind": "Secret", "name": "llmgen-keys-clients"}
    ]
    assert spec["apiKeyAuth"]["sanitize"] is True
    assert spec["cors"]["allowOrigins"] == ["https://chat.example.org"]


def test_the_client_that_is_counted_is_never_the_one_that_a_client_says():
    spec = one(objects(stack(STACK + KEYED)), "ClientTrafficPolicy")["spec"]
    assert spec["headers"]["earlyRequestHeaders"]["remove"] == ["x-llm-client"]


def test_requests_and_tokens_of_each_client_are_counted_over_all_routes():
    text = STACK.replace("[models", "tokens_per_minute = 5000\n[models") + KEYED
    spec = one(objects(stack(text)), "BackendTrafficPolicy")["spec"]
    requests, tokens = spec["rateLimit"]["global"]["rules"]
    assert requests["limit"] == {"requests": 30, "unit": "Minute"}
    assert tokens["limit"] == {"requests": 5000, "unit": "Minute"}
    assert tokens["cost"]["response"]["metadata"]["key"] == "llm_total_token"
    assert requests["shared"] is tokens["shared"] is True
    for rule in (requests, tokens):
        (whom,) = rule["clientSelectors"]
        assert whom["headers"][0]["name"] == "x-llm-client"


def test_without_keys_clients_are_told_apart_by_address():
    text = STACK + "[gateway.envoy]\nenable = false\nrequests_per_minute = 30"
    rules = one(objects(stack(text)), "BackendTrafficPolicy")["spec"]["rateLimit"]["global"][
        "rules"
    ]
    networks = [rule["clientSelectors"][0]["sourceCIDR"]["value"] for rule in rules]
    assert networks == ["0.0.0.0/0", "::/0"]


def test_bodies_with_pictures_pass():
    assert one(objects(stack(STACK)), "ClientTrafficPolicy")["spec"]["connection"] == {
        "bufferLimit": "50Mi"
    }


def test_a_certificate_makes_the_listener_https():
    text = STACK.replace(
        "[models", 'gateway_certificate = "llm-tls"\ngateway_hostname = "llm.example.org"\n[models'
    )
    found = objects(stack(text))
    (listener,) = one(found, "Gateway")["spec"]["listeners"]
    assert (listener["protocol"], listener["port"]) == ("HTTPS", 443)
    assert listener["hostname"] == "llm.example.org"
    assert listener["tls"]["certificateRefs"][0]["name"] == "llm-tls"


def test_what_has_to_be_there_is_named():
    made = stack(STACK + KEYED)
    told = " ".join(note.message for note in made.cluster.notes)
    assert "`llmgen-keys-clients`: `alice`" in told
    assert "rate limit service" in told


def test_tokens_are_counted_by_the_ai_gateway_alone():
    text = STACK.replace('"ai-gateway"', '"none"\ntokens_per_minute = 5')
    with pytest.raises(ConfigError) as found:
        stack(text)
    (diagnostic,) = found.value.diagnostics
    assert diagnostic.key == ("kubernetes", "tokens_per_minute")
