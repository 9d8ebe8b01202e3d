"""What is written for Envoy AI Gateway, run by it without a cluster in front of a server of ours."""

import pytest
from ai_gateway import PROGRAMS, answering, chat
from made import objects, stack
from pod_stacks import ROUTED

pytestmark = [pytest.mark.thorough, pytest.mark.reader(*PROGRAMS)]

STACK = (
    ROUTED
    + """
[models.ranker]
role = "rerank"
model = "r.gguf"
ctx_size = 512
[models.hidden]
role = "embedding"
model = "h.gguf"
ctx_size = 512
unlisted = true
[models.always]
model = "a.gguf"
ctx_size = 1024
keep = "always"
[models.always.variants.colder]
params = { temperature = 0.25 }
"""
)


def on_this_machine(found, port, upstream):
    """The same objects where there is no cluster: no Service for Envoy, and servers on loopback."""
    kept = [
        item for item in found if "envoyproxy.io" in item["apiVersion"] or item["kind"] == "Gateway"
    ]
    yield {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "eg"},
        "spec": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
    }
    for item in kept:
        spec = item["spec"]
        match item["kind"]:
            case "EnvoyProxy":
                continue
            case "Gateway":
                (listener,) = spec["listeners"]
                plain = {key: value for key, value in spec.items() if key != "infrastructure"}
                spec = {**plain, "listeners": [{**listener, "port": port}]}
            case "Backend":
                spec = {**spec, "endpoints": [{"ip": {"address": "127.0.0.1", "port": upstream}}]}
        yield {**item, "spec": spec}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    def resources(port, upstream):
        return on_this_machine(objects(stack(STACK)), port, upstream)

    with answering(tmp_path_factory.mktemp("serves"), resources) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "heard"),
    [
        ("coder", "coder"),
        ("gpt-4.1", "gpt-4.1"),
        ("GPT-4.1", "coder"),
        ("thinker", "thinker"),
        ("O3", "thinker"),
        ("always", "always"),
    ],
)
def test_a_name_reaches_its_server(gateway, name, heard):
    answer = chat(gateway, name)
    assert answer.status_code == 200, answer.text
    assert answer.json()["asked"]["model"] == heard


def test_a_name_that_nobody_has_is_not_found(gateway):
    assert chat(gateway, "gpt-4x1").status_code == 404


def test_a_variant_of_an_always_on_server_sets_its_parameters(gateway):
    asked = chat(gateway, "colder").json()["asked"]
    assert asked["temperature"] == 0.25


def test_embeddings_go_to_the_embedder(gateway):
    body = {"model": "text-embedding-3-small", "input": "hello"}
    answer = gateway.post("/v1/embeddings", json=body)
    assert answer.status_code == 200, answer.text


def test_a_reranker_is_asked_as_llama_server_knows_it(gateway):
    body = {"model": "ranker", "query": "a", "documents": ["b"]}
    answer = gateway.post("/cohere/v2/rerank", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["path"] == "/v1/rerank"


def test_a_body_with_a_picture_passes(gateway):
    assert chat(gateway, "coder", "x" * 5_000_000).status_code == 200


def test_every_listed_name_is_in_the_list_and_no_other(gateway):
    listed = {model["id"] for model in gateway.get("/v1/models").json()["data"]}
    names = {"embed", "text-embedding-3-small", "ranker", "always", "colder"}
    assert listed == names | {"coder", "gpt-4.1", "thinker", "o3"}
