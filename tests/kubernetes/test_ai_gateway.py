"""The real AI Gateway serves resources in front of a server of the test's own."""

import pytest
from ai_gateway import PROGRAMS, answering, chat

pytestmark = [pytest.mark.thorough, pytest.mark.reader(*PROGRAMS)]

NAMESPACE = "llm"
GATEWAY = "gateway.networking.k8s.io"
ENVOY_GATEWAY = "gateway.envoyproxy.io"


def an_object(version, kind, name, spec):
    metadata = {"name": name} if kind == "GatewayClass" else {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def resources(port, upstream):
    """A Gateway that knows one model, by another name than the server behind it."""
    controller = f"{ENVOY_GATEWAY}/gatewayclass-controller"
    listener = {"name": "http", "protocol": "HTTP", "port": port}
    target = {"group": GATEWAY, "kind": "Gateway", "name": "llm"}
    address = {"ip": {"address": "127.0.0.1", "port": upstream}}
    reference = {"group": ENVOY_GATEWAY, "kind": "Backend", "name": "coder"}
    match = {"type": "Exact", "name": "x-ai-eg-model", "value": "gpt-4o"}
    rule = {
        "matches": [{"headers": [match]}],
        "backendRefs": [{"name": "coder", "modelNameOverride": "qwen"}],
    }
    return [
        an_object(f"{GATEWAY}/v1", "GatewayClass", "llm", {"controllerName": controller}),
        an_object(
            f"{GATEWAY}/v1", "Gateway", "llm", {"gatewayClassName": "llm", "listeners": [listener]}
        ),
        an_object(
            f"{ENVOY_GATEWAY}/v1alpha1",
            "ClientTrafficPolicy",
            "llm",
            {"targetRefs": [target], "connection": {"bufferLimit": "50Mi"}},
        ),
        an_object(f"{ENVOY_GATEWAY}/v1alpha1", "Backend", "coder", {"endpoints": [address]}),
        an_object(
            "aigateway.envoyproxy.io/v1beta1",
            "AIServiceBackend",
            "coder",
            {"schema": {"name": "OpenAI", "prefix": "/v1"}, "backendRef": reference},
        ),
        an_object(
            "aigateway.envoyproxy.io/v1beta1",
            "AIGatewayRoute",
            "llm",
            {"parentRefs": [target], "rules": [rule]},
        ),
    ]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with answering(tmp_path_factory.mktemp("aigw"), resources) as client:
        yield client


def test_an_alias_reaches_the_server_by_its_own_name(gateway):
    answer = chat(gateway, "gpt-4o")
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == "qwen"


def test_a_model_that_no_rule_names_is_not_found(gateway):
    assert chat(gateway, "gpt-4").status_code == 404


def test_a_body_of_three_megabytes_passes(gateway):
    content = "x" * 3_000_000
    answer = chat(gateway, "gpt-4o", content)
    assert answer.json()["messages"][0]["content"] == content


def test_the_list_of_models_has_the_alias(gateway):
    listed = gateway.get("/v1/models").json()["data"]
    assert [model["id"] for model in listed] == ["gpt-4o"]
