"""Programs whose processes share memory have a /dev/shm of their own, which the plan counts."""

from made import objects, pod_specs, stack

MODEL = """
[models.a]
engine = "vllm"
container = {{ image = "docker.io/none/none:1" }}
hf_repo = "a/b"
tensor_parallel_size = {devices}
gpu_memory_utilization = 0.9
memory = {{ host = "12GiB" }}
keep = "always"
"""


def spec(devices):
    return pod_specs(objects(stack(MODEL.format(devices=devices))))["model-a"]


def test_vllms_processes_share_memory_that_the_pod_has_asked_for():
    found = spec(2)
    (container,) = found["containers"]
    assert {"name": "shared", "mountPath": "/dev/shm"} in container["volumeMounts"]
    shared = {"name": "shared", "emptyDir": {"medium": "Memory", "sizeLimit": "2048Mi"}}
    assert shared in found["volumes"]
    asked = int(container["resources"]["limits"]["memory"].removesuffix("Mi"))
    # The model's own, its process, /tmp, and what is shared.
    assert asked == (12 + 1 + 2) * 1024 + 64


def test_llama_servers_pod_has_none():
    found = pod_specs(objects(stack('[models.a]\nmodel = "a.gguf"\nkeep = "always"')))["model-a"]
    assert "shared" not in {item["name"] for item in found["volumes"]}
