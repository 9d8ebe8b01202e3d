"""Containers of a plan: what each one is, sees, may do and is given."""

import json
from pathlib import PurePosixPath

import pytest
from targets import plans

from llmgen.errors import PlanError
from llmgen.gateway.addresses import host_name
from llmgen.gateway.backends import backends
from llmgen.plan.slack import TMPFS_BYTES
from llmgen.render.environment import make_render
from llmgen.targets import proof
from llmgen.targets.containers.derive import SHM_BYTES, containers
from llmgen.targets.containers.inside import contained
from llmgen.targets.containers.published_ports import published
from llmgen.targets.containers.shares import beside, sentence, shares
from llmgen.targets.services import services

FILES = PurePosixPath("/home/llm/.config/llmgen/compose")
EMBED = """
[models.embed]
model = "embed.gguf"
role = "embedding"
"""
PAGE = """
[apps.open_webui]
enable = true
secret_key = { file = "page.key" }
"""


def of(text=plans.STACK, head=plans.HEAD):
    return {item.name: item for item in containers(plans.plan(text, head=head), FILES)}


def test_every_service_is_a_container_of_the_same_name():
    plan = plans.plan(plans.STACK + PAGE + 'api_key = { env = "KEY" }\n')
    found = containers(plan, FILES)
    assert [item.name for item in found] == [item.name for item in services(plan)]
    assert "open-webui" in {item.name for item in found}


def test_paths_and_programs_are_those_within():
    swap, embed = of()["swap"], of()["model-embed"]
    assert "/app/llama-swap" in swap.argv
    assert "/etc/llmgen/llama-swap/config.yaml" in swap.argv
    assert dict(embed.environment)["LLAMA_ARG_MODEL"] == "/models/embed.gguf"
    targets = {str(mount.target): mount.source for mount in embed.mounts}
    assert targets["/models"] == "/srv/models"


def test_what_serves_others_listens_to_the_network_alone():
    found = of()
    assert dict(found["model-embed"].environment)["LLAMA_ARG_HOST"] == "0.0.0.0"
    assert "0.0.0.0:8080" in found["swap"].argv
    assert [(item.service, item.address) for item in published(plans.plan())] == [
        ("envoy", "127.0.0.1")
    ]


def test_only_state_is_written_to():
    for item in of().values():
        assert item.read_only
        writable = {one.kind for one in item.mounts if one.writable}
        # Envoy takes its listener out of the folder of its keys before it ends.
        assert writable <= {"volume", *(["keys"] if item.name == "envoy" else [])}


def test_limits_are_the_plans_with_what_containers_add():
    plan = plans.plan()
    own = {item.name: item.memory_bytes for item in services(plan)}
    for item in containers(plan, FILES):
        memory = item.memory
        assert memory.limit_bytes == (own[item.name] + TMPFS_BYTES if own[item.name] else 0)
        assert (memory.swap_bytes, memory.shm_bytes) == (0, SHM_BYTES)


def test_a_model_that_locks_its_memory_may():
    assert of()["swap"].memory.locks
    assert not of()["model-embed"].memory.locks


def test_secrets_are_files_and_never_values():
    swap = of()["swap"]
    names = [name for name, _ in swap.secrets]
    assert "SERVER_KEY" in names
    assert not {*names} & {name for name, _ in swap.environment}
    script = swap.argv[2]
    assert "IFS= read -r SERVER_KEY < /run/llmgen/secrets/SERVER_KEY" in script
    assert swap.manifest.into == PurePosixPath("/home/llm/.local/state/llmgen/run/secrets/swap")
    assert swap.manifest.owner == (1000, 1000)


def test_files_of_models_elsewhere_have_their_own_folders():
    text = EMBED.replace("embed.gguf", "/data/a/embed.gguf")
    (embed, *_) = of(text).values()
    assert dict(embed.environment)["LLAMA_ARG_MODEL"] == "/mnt/0/embed.gguf"
    assert [one.source for one in embed.mounts if one.kind == "models"] == ["/data/a"]


def test_a_template_comes_alone():
    text = EMBED + 'chat_template_file = "own.jinja"\n'
    (embed, *_) = of(text).values()
    (mount,) = (one for one in embed.mounts if one.kind == "file")
    assert mount.source == "/home/llm/.config/llmgen/own.jinja"
    assert str(mount.target) == "/etc/llmgen/templates/embed.jinja"


@pytest.mark.parametrize(
    ("backend", "cdi", "paths", "groups"),
    [
        ("cuda", ("nvidia.com/gpu=0",), (), ()),
        ("rocm", (), ("/dev/kfd", "/dev/dri"), ("render", "video")),
        ("vulkan", (), ("/dev/dri",), ("render", "video")),
        ("cpu", (), (), ()),
    ],
)
def test_devices_of_each_vendor(backend, cdi, paths, groups):
    head = plans.HEAD.replace('"vulkan"', f'"{backend}"')
    found = of(EMBED, head)["model-embed"].devices
    assert (found.cdi, found.paths, found.groups) == (cdi, paths, groups)


def test_a_gateway_has_no_devices():
    assert of()["envoy"].devices == of()["litellm"].devices
    assert not of()["envoy"].devices.paths


def test_a_check_waits_as_long_as_a_cold_disk_takes():
    assert of()["model-embed"].health.start_seconds == 120
    assert of()["model-embed"].health.argv[-1] == "http://127.0.0.1:9001/health"


def test_a_server_of_the_machine_is_not_on_the_containers_loopback():
    text = (
        EMBED + '[gateway.envoy]\nenable = true\n[external.x]\nendpoint = "http://localhost:99"\n'
    )
    plan = plans.plan(text)
    hosts = {item.model: item.endpoints[0].host for item in backends(contained(plan, FILES))}
    assert hosts["x"] == "host.docker.internal"
    assert of(text)["envoy"].asks_machine


def test_names_on_the_network_are_labels_and_differ():
    names = ["a.b", "a-b", "a_b", "x" * 80, "x" * 81, "-a", "envoy"]
    hosts = [host_name(name) for name in names]
    assert len({*hosts}) == len(names)
    assert all(len(host) <= 63 and host.strip("-") == host for host in hosts)
    assert host_name("model-embed") == "model-embed"


def test_what_llama_swap_would_start_and_its_image_lacks_is_refused():
    text = """
[models.boxed]
model = "boxed.gguf"
container = { image = "x/y" }
[models.own]
model = "own.gguf"
llama_server = "/opt/llama-server"
"""
    with pytest.raises(PlanError) as caught:
        of(text)
    codes = [item.code for item in caught.value.diagnostics]
    assert codes == ["containers.on-demand-program", "containers.no-image"]


def test_an_image_of_its_own_is_taken():
    text = EMBED + 'container = { image = "x/y:1" }\n'
    assert of(text)["model-embed"].image == "x/y:1"


def test_the_plan_tells_what_containers_may_hold_beside_it():
    compose = plans.STACK.replace("[services]\n", '[services]\nruntime = "compose"\n')
    plan = plans.plan(compose)
    found = shares(plan)
    assert [item.name for item in found] == [item.name for item in services(plan)]
    assert beside(found) == len(found) * (TMPFS_BYTES + SHM_BYTES)
    assert all(item.swap == 0 for item in found)
    (document,) = proof.artifacts(plan, make_render())
    told = json.loads(document.content)
    (swap,) = (item for item in found if item.name == "swap")
    assert told["containers"]["swap"]["limit_bytes"] == swap.limit
    assert told["containers_beside_bytes"] == beside(found)


def test_a_native_plan_tells_nothing_of_containers():
    (document,) = proof.artifacts(plans.plan(), make_render())
    assert "containers" not in json.loads(document.content)
    assert sentence(shares(plans.plan())) == ""
