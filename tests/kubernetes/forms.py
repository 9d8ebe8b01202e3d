"""A stack with environments and a chart, and what kustomize and Helm make of its files."""

import subprocess

import readers
from made import stack
from yaml_reader import read_all_yaml

from llmgen.targets.kubernetes.environment import environment, objects
from llmgen.targets.kubernetes.files import artifacts

STACK = """
gateway.envoy.enable = true
[models.chat]
model = "chat.gguf"
keep = "always"
[models.e]
model = "e.gguf"
role = "embedding"
keep = "always"
[models.demand]
model = "demand.gguf"
keep = "on_demand"
[kubernetes.pools.gpu]
count = 4
"""
ENVOY = "docker.io/envoyproxy/envoy"
SERVER = "ghcr.io/ggml-org/llama.cpp"
# Objects of every kind whose texts name the namespace.
WATCHED = (
    STACK.replace('"chat.gguf"', '"chat.gguf"\nmetrics = true\nhosts = 2')
    + """
[kubernetes.monitoring]
enable = true
[kubernetes.scale]
enable = true
[gateway.litellm]
enable = true
master_key = { env = "MASTER_KEY" }
"""
)
PROD = f"""
[kubernetes.environments.prod]
namespace = "prod"
images = {{ "{ENVOY}" = "mirror.example:5000/a/envoy:v1", "{SERVER}" = "llama@sha256:{"a" * 64}" }}
copies = {{ chat = 3, e = 0 }}
[kubernetes.environments.dev]
images = {{ "{ENVOY}" = "mirror.example:5000/envoy" }}
"""
CHART = "[kubernetes]\nhelm = true\n"


def charted(text=STACK, environments=PROD):
    return stack(text + environments.replace("[kubernetes.env", f"{CHART}[kubernetes.env", 1))


def written(made, folder):
    """The files of a scene below a folder."""
    for item in artifacts(made):
        place = folder / item.path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(item.content)
    return folder / "kubernetes"


def by_name(found):
    return {
        (item["kind"], item["metadata"]["name"], item["metadata"].get("namespace")): item
        for item in found
        if item
    }


def wanted(made, name):
    groups = objects(environment(made, name), made.table.environments[name])
    return by_name(item for items in groups.values() for item in items)


def kustomized(folder):
    argv = [readers.find("kubectl"), "kustomize", folder]
    done = subprocess.run(argv, capture_output=True, check=True, timeout=60)
    return by_name(read_all_yaml(done.stdout))


def helm(*words):
    argv = [readers.find("helm"), *map(str, words)]
    return subprocess.run(argv, capture_output=True, check=False, timeout=60, text=True)


def templated(folder, *words):
    done = helm("template", "llm", folder / "chart", *words)
    assert done.returncode == 0, done.stderr
    return by_name(read_all_yaml(done.stdout))
