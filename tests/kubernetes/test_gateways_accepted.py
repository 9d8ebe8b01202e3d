"""The real API server takes the objects of every kind of gateway, and changes nothing in them."""

import json

import pytest
from control_plane import API_SERVER, control_plane
from made import objects, stack
from pod_stacks import GROUP

pytestmark = [pytest.mark.thorough, pytest.mark.reader(*API_SERVER)]

MODELS = """
[services]
on_demand = "llama_swap"
api_key = { env = "LLM_KEY" }
[models.embed]
role = "embedding"
model = "e.gguf"
ctx_size = 512
default = true
aliases = ["text-embedding-3-small"]
[models.ranker]
role = "rerank"
model = "r.gguf"
ctx_size = 512
default = true
[models.chatter]
model = "a.gguf"
ctx_size = 1024
keep = "always"
hosts = 2
[models.coder]
model = "c.gguf"
ctx_size = 1024
aliases = ["gpt-4.1"]
[models.coder.variants.thinker]
aliases = ["o3"]
params = { top_k = 7 }
"""
KEYED = """
[gateway.envoy]
enable = false
api_keys = [{ name = "alice", secret = { env = "ALICE" } }]
requests_per_minute = 30
cors_origins = ["https://chat.example.org"]
[kubernetes]
gateway = "ai-gateway"
tokens_per_minute = 1000
gateway_certificate = "llm-tls"
gateway_hostname = "llm.example.org"
[external.far]
endpoint = "https://api.example.org/v1"
api_key = { env = "FAR" }
[external.near]
endpoint = "http://10.1.2.3:9000/v1"
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    names = ("gateway-api", "envoy-gateway", "ai-gateway", "inference-extension")
    with control_plane(tmp_path_factory.mktemp("gateways"), crds=names) as found:
        yield found


KINDS = {
    "ai-gateway": '[kubernetes]\ngateway = "ai-gateway"',
    "keyed": KEYED,
    "envoy": '[kubernetes]\ngateway = "gateway-api"\n[gateway.envoy]\nenable = true',
    "pools": '[kubernetes]\ngateway = "inference-extension"',
    "services": '[kubernetes]\ngateway = "gateway-api"',
}


@pytest.mark.parametrize("kind", KINDS)
def test_objects_are_taken_as_they_are(cluster, kind):
    taken_unchanged(cluster, MODELS + KINDS[kind])


def taken_unchanged(cluster, text):
    found = objects(stack(text))
    cluster.apply(found)
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    done = cluster.kubectl("diff", "--server-side", "--filename", "-", given=given, check=False)
    assert done.stdout == ""
    assert done.returncode == 0, done.stderr


def test_objects_of_kserve_are_taken_as_they_are(cluster):
    cluster.install("kserve")
    taken_unchanged(cluster, MODELS + '[kubernetes]\nstyle = "kserve"')


def test_a_group_of_pods_is_taken_as_it_is(cluster):
    cluster.install("lws")
    taken_unchanged(cluster, GROUP)
