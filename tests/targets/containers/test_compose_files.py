"""compose.yaml says what the native files say, and docker compose takes it."""

from pathlib import PurePosixPath

import pytest
from containers_judged import composed
from targets import plans
from yaml_reader import read_yaml

from llmgen.firewall.ports import ports
from llmgen.gateway.routes import routes
from llmgen.render.environment import make_render
from llmgen.render.quoting import compose_env
from llmgen.targets import compose, llama_swap
from llmgen.targets.containers.inside import contained
from llmgen.targets.containers.published_ports import published
from llmgen.targets.selection import selected
from llmgen.targets.services import services

RUNTIME = '[services]\nruntime = "compose"\n'
STACK = plans.STACK.replace("[services]\n", RUNTIME)


def files(text=STACK, head=plans.HEAD):
    plan = plans.plan(text, head=head)
    return {str(item.path): item for item in compose.artifacts(plan, make_render())}


def document(found):
    return read_yaml(found["compose/compose.yaml"].content)


def variables(found):
    lines = found["compose/.env"].content.decode().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))


PAGE = """
[apps.open_webui]
enable = true
secret_key = { file = "page.key" }
"""


@pytest.mark.reader("docker-compose")
@pytest.mark.parametrize("program", ["docker", "podman"])
@pytest.mark.parametrize("scope", ["user", "system"])
def test_docker_compose_takes_it(program, scope, tmp_path):
    text = STACK.replace("[services]\n", f'[services]\nscope = "{scope}"\n')
    text += PAGE + f'api_key = {{ env = "K" }}\n[containers]\nprogram = "{program}"\n'
    assert composed(plans.plan(text), tmp_path) == (0, "")


@pytest.mark.parametrize(
    ("program", "policy"), [("docker", "unless-stopped"), ("podman", "always")]
)
def test_services_start_with_the_machine_as_their_program_does_it(program, policy):
    """podman-restart.service of podman 5.4 starts containers with `always` alone."""
    found = document(files(STACK + f'[containers]\nprogram = "{program}"\n'))
    assert {item["restart"] for item in found["services"].values()} == {policy}


def test_every_variable_is_asked_for_and_every_one_that_is_asked_for_is_there():
    found = files(STACK + PAGE + 'api_key = { env = "K" }\n')
    text = found["compose/compose.yaml"].content.decode().partition("\nservices:")[2]
    for name in variables(found):
        assert f"${{{name}:?}}" in text or name == "COMPOSE_PROFILES"
    asked = {part.split(":?}")[0] for part in text.split("${")[1:]}
    assert asked <= {*variables(found)}


def test_no_secret_and_no_keys_variable_is_in_the_environment():
    for item in document(files())["services"].values():
        assert not {"LLAMA_API_KEY", "SERVER_KEY", "TOKEN"} & {*item.get("environment", {})}


def test_every_container_is_locked_in():
    for item in document(files())["services"].values():
        assert item["cap_drop"] == ["ALL"]
        assert item["security_opt"] == ["no-new-privileges:true"]
        assert item["read_only"] is True
        assert item["user"] == "${LLMGEN_USER:?}"


def test_names_routes_limits_and_ports_are_those_of_the_native_stack():
    native, inner = plans.plan(plans.STACK), contained(plans.plan(), PurePosixPath("/x"))
    assert [item.names for item in routes(native).routes] == [
        item.names for item in routes(inner).routes
    ]
    assert [(item.port, item.memory_bytes, item.secrets) for item in services(native)] == [
        (item.port, item.memory_bytes, item.secrets) for item in services(inner)
    ]


def test_llama_swap_loads_the_same_models_by_the_same_names():
    def models(text):
        return {
            name: (item.get("aliases"), item["cmd"].split("--port")[0].count("--"), item.get("ttl"))
            for name, item in read_yaml(text)["models"].items()
        }

    (native,) = llama_swap.artifacts(plans.plan(), make_render())
    assert models(native.content) == models(files()["compose/llama-swap/config.yaml"].content)


def test_only_the_front_is_published_and_the_firewall_opens_just_that():
    text = STACK.replace(
        "[gateway.envoy]\nenable = true",
        '[gateway.envoy]\nenable = true\nlisten = ["127.0.0.1", "10.0.0.9"]\n'
        'api_keys = [{ name = "me", secret = { env = "K" } }]',
    ).replace(
        "[gateway.litellm]\nenable = true",
        '[gateway.litellm]\nenable = true\nlisten = "0.0.0.0"\nmaster_key = { env = "M" }',
    )
    found = files(text)
    told = {
        (port["host_ip"], port["target"])
        for item in document(found)["services"].values()
        for port in item.get("ports", ())
    }
    assert told == {("127.0.0.1", 4001), ("10.0.0.9", 4001)}
    plan = plans.plan(text)
    assert {(item.address, item.port) for item in ports(plan).open} == {("10.0.0.9", 4001)}
    assert {(item.address, item.port) for item in published(plan)} == told
    assert ports(plan).closed == ()


def test_what_is_built_here_says_how():
    found = document(files(STACK + "[containers]\nbuild = true\n"))["services"]
    assert found["swap"]["build"]["target"] == "swap"
    assert found["model-embed"]["build"]["target"] == "server"
    assert found["model-embed"]["pull_policy"] == "never"
    assert "build" not in found["envoy"]


def test_no_key_is_written_by_a_container_of_compose():
    for item in document(files())["services"].values():
        for mount in item.get("volumes", ()):
            assert mount["type"] == "volume" or mount["read_only"]


def test_the_runtime_decides_which_files_are_written():
    names = {target.NAME for target in selected(plans.plan(STACK))}
    assert names == {"compose", "systemd", "clients", "docs", "proof"}
    install = files()["compose/compose.yaml"].install
    assert str(install) == "/home/llm/.config/llmgen/compose/compose.yaml"


def test_a_native_stack_can_look_at_it():
    found = files(plans.STACK)
    assert {item.install for item in found.values()} == {None}


def test_an_environment_file_without_special_characters_is_plain():
    assert compose_env("/srv/models") == "/srv/models"
