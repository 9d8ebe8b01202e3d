"""Every object of every style and gateway is one for the real API server, which changes nothing of it."""

import json

import pytest
from case_stacks import POOL, STACKS, scene_of
from control_plane import API_SERVER, control_plane
from fleets_of_pods import Drawn
from made import objects, stack
from pod_stacks import ASLEEP

pytestmark = [pytest.mark.reader(*API_SERVER), pytest.mark.thorough]

CRDS = (
    "gateway-api", "envoy-gateway", "ai-gateway", "inference-extension", "kserve", "lws", "keda", "keda-http",
    "prometheus-operator", "external-secrets",
)  # fmt: skip
EVERYTHING = """
[kubernetes]
namespace = "everything"
external_secrets = "vault"
llmgen_image = "docker.io/none/llmgen:1"
image_pull_secrets = ["registry"]
monitoring = { enable = true, labels = { release = "prometheus" } }
scale.enable = true
storage = { size = "1TiB", storage_class = "fast" }
"""
STYLES = ("plain", "kserve", "lws")
GATEWAYS = ("none", "gateway-api", "ai-gateway", "inference-extension")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with control_plane(tmp_path_factory.mktemp("server"), crds=CRDS) as made:
        yield made


def accepted(server, found):
    """Applied twice: the second time nothing differs, and the server has filled in nothing."""
    namespaces = [item for item in found if item["kind"] == "Namespace"]
    server.apply(namespaces)
    server.apply(found, "--dry-run=server")
    server.apply(found)
    given = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    done = server.kubectl("diff", "--server-side", "--filename", "-", given=given, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("gateway", GATEWAYS)
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", STACKS)
def test_the_server_takes_every_object_of_a_stack(server, name, style, gateway):
    told = f'[kubernetes]\nnamespace = "{name}-{style}-{gateway}"\nstyle = "{style}"\n'
    made = scene_of(name, f'{told}gateway = "{gateway}"\n', POOL, *STACKS[name])
    accepted(server, objects(made))


@pytest.mark.parametrize("seed", range(3))
def test_the_server_takes_a_fleet_of_pools(server, seed):
    accepted(server, objects(Drawn(seed).scene()))


def test_the_server_takes_everything_at_once(server):
    accepted(server, objects(scene_of("strix-halo", EVERYTHING, POOL)))


@pytest.mark.parametrize("gateway", ["none", "gateway-api", "ai-gateway"])
def test_the_server_takes_what_wakes_models(server, gateway):
    told = f'[kubernetes]\nnamespace = "asleep-{gateway}"\ngateway = "{gateway}"\n'
    accepted(server, objects(stack(ASLEEP + told)))
