"""What is written for Envoy AI Gateway, run by it without a cluster in front of a server of ours."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from ai_gateway import PROGRAMS, ai_gateway
from made import objects, stack
from readers.ports import free_port

pytestmark = [pytest.mark.thorough, pytest.mark.reader(*PROGRAMS)]

STACK = """
[services]
on_demand = "llama_swap"
[kubernetes]
gateway = "ai-gateway"
[models.embed]
role = "embedding"
model = "e.gguf"
ctx_size = 512
aliases = ["text-embedding-3-small"]
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
[models.coder]
model = "c.gguf"
ctx_size = 1024
aliases = ["gpt-4.1"]
[models.coder.variants.thinker]
aliases = ["o3"]
params = { top_k = 7 }
"""


class Echo(BaseHTTPRequestHandler):
    """Tells which path and body it was sent, within an answer that the gateway can read."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {
            "object": "list",
            "model": asked.get("model", ""),
            "data": [],
            "results": [],
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
            "asked": asked,
            "path": self.path,
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def echo():
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def on_this_machine(found, port, upstream):
    """The same objects where there is no cluster: no Service for Envoy, and servers on loopback."""
    kept = [item for item in found if "envoyproxy.io" in item["apiVersion"] or routed(item)]
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


def routed(item):
    return item["kind"] == "Gateway"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    port = free_port()
    with (
        echo() as upstream,
        ai_gateway(
            tmp_path_factory.mktemp("serves"),
            [*on_this_machine(objects(stack(STACK)), port, upstream)],
            port=port,
        ) as address,
        httpx.Client(base_url=address, timeout=30) as client,
    ):
        yield client


def chat(gateway, model, content="hello"):
    body = {"model": model, "messages": [{"role": "user", "content": content}]}
    return gateway.post("/v1/chat/completions", json=body)


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
