"""The real API server takes every object around the servers, and would change nothing of it."""

import json

import pytest
from control_plane import API_SERVER, control_plane
from made import objects, stack

pytestmark = pytest.mark.thorough

TEXT = """
[kubernetes]
llmgen_image = "registry.example/llmgen:1"
external_secrets = "vault"
image_pull_secrets = ["registry"]
storage = { storage_class = "fast", hub_token = { env = "HF_TOKEN" } }
monitoring.enable = true
scale = { enable = true, min = 0 }
[kubernetes.pools.gpu]
count = 4
priority = 1000
taints = [{ key = "gpu", value = "yes" }]
[kubernetes.pools.claimed]
device_class = "gpu.nvidia.com"
[gateway.envoy]
enable = true
metrics_port = 9100
api_keys = [{ name = "all", secret = { env = "KEY" } }]
[gateway.litellm]
enable = true
[external.far]
endpoint = "https://api.example.com/v1"
[external.near]
endpoint = "http://vllm.other.svc.cluster.local:8000/v1"
[external.address]
endpoint = "http://[2001:db8::1]:8000/v1"
[models.chat]
hf_repo = "o/chat"
ctx_size = 1024
keep = "always"
hosts = 2
metrics = true
default = true
pool = "gpu"
[models.big]
hf_repo = "o/big"
ctx_size = 1024
keep = "always"
pool = "claimed"
device = ["gpu0", "gpu1"]
[models.demand]
model = "demand.gguf"
ctx_size = 1024
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    crds = ("external-secrets", "prometheus-operator", "keda")
    with control_plane(tmp_path_factory.mktemp("server"), crds=crds) as cluster:
        yield cluster


@pytest.mark.reader(*API_SERVER)
def test_objects_are_taken_whole_and_a_second_time_without_a_difference(server):
    found = objects(stack(TEXT))
    kinds = {item["kind"] for item in found}
    assert kinds >= {
        "PersistentVolumeClaim",
        "Job",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PriorityClass",
        "ResourceClaimTemplate",
        "ExternalSecret",
        "PodMonitor",
        "PrometheusRule",
        "ScaledObject",
    }
    done = server.apply(found)
    assert "would violate PodSecurity" not in done.stderr
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    diff = server.kubectl("diff", "--server-side", "--filename", "-", given=given, check=False)
    assert (diff.returncode, diff.stdout) == (0, "")
