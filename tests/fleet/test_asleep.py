"""Hosts that sleep are woken by llama-swap of the others; what cannot wake them is told."""

import pytest
from fleet_stacks import HOSTS, made, read
from readers.llama_swap_rules import problems
from yaml_reader import read_yaml

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.errors import ConfigError, Diagnostic
from llmgen.fleet.sleeping_hosts import may_sleep
from llmgen.plan.place import place
from llmgen.render.environment import make_render
from llmgen.resolve import resolve
from llmgen.targets import llama_swap

WAKE = HOSTS.replace(
    'address = "192.168.1.11"\n', 'address = "192.168.1.11"\nwake = { mac = "aa:bb:cc:dd:ee:ff" }\n'
).replace("gateway.envoy.enable = true\n", "")
TWO = """
[models.chat]
model = "chat.gguf"
host = "studio"
ctx_size = 8192
aliases = ["gpt-4o"]
[models.coder]
model = "coder.gguf"
host = "studio"
ctx_size = 8192
[models.embed]
model = "embed.gguf"
role = "embedding"
aliases = ["vectors"]
host = "box"
"""


def rendered(text=WAKE + TWO, host="studio"):
    (found,) = llama_swap.artifacts(made(text).members[host].plan, make_render())
    return found.content.decode()


def test_the_model_is_an_entry_that_wakes_its_machine_and_no_peer():
    found = read_yaml(rendered())
    entry = found["models"]["embed"]
    words = entry["cmd"].split()
    assert words[:2] == ["/usr/local/bin/llmgen", "wake"]
    assert words[words.index("--mac") + 1] == "aa:bb:cc:dd:ee:ff"
    assert words[words.index("--url") + 1] == "http://192.168.1.11:8080/health"
    assert (entry["proxy"], entry["checkEndpoint"]) == ("http://192.168.1.11:8080", "/health")
    assert entry["aliases"] == ["vectors"]
    assert "useModelName" not in entry
    assert "embed" not in str(found.get("peers", ""))


@pytest.mark.parametrize("engine", ["auto", "matrix", "groups"])
@pytest.mark.parametrize("apart", ['[["chat", "coder"]]', "[]"])
def test_what_is_loaded_here_stays_beside_it(engine, apart):
    text = WAKE + TWO
    said = rendered(f'{text}[plan]\nengine = "{engine}"\nnever_together = {apart}\n')
    assert problems(said) == []
    routing = read_yaml(said)["routing"]["router"]["settings"]
    if "matrix" in routing:
        sets = routing["matrix"]["sets"]
        assert all("+woken" in members for name, members in sets.items() if name != "woken")
    else:
        own = routing["groups"]["woken"]
        assert own["members"] == ["embed"]
        assert (own["swap"], own["exclusive"], own["persistent"]) == (False, False, True)


def test_llama_swap_waits_as_long_as_the_machine_takes():
    slow = WAKE.replace('ee:ff" }', 'ee:ff", seconds = 600 }')
    assert read_yaml(rendered(slow + TWO))["healthCheckTimeout"] == 615


def test_the_woken_host_takes_the_keys_that_clients_of_the_others_send():
    text = WAKE.replace(
        "[hosts.box]", 'services.llama_swap.api_keys = [{ env = "CLIENT" }]\n[hosts.box]'
    )
    box = made(text + TWO).members["box"].config
    assert [item.env for item in box.services.llama_swap.api_keys] == [
        "BOX_KEY", "STUDIO_KEY", "CLIENT",
    ]  # fmt: skip
    studio = made(text + TWO).members["studio"].config
    assert [item.env for item in studio.services.llama_swap.api_keys] == ["CLIENT", "STUDIO_KEY"]


def test_envoy_as_its_door_takes_them_too():
    text = WAKE.replace("[hosts.box.hardware]", "gateway.envoy.enable = true\n[hosts.box.hardware]")
    keys = made(text + TWO).members["box"].config.gateway.envoy.api_keys
    assert [item.secret.env for item in keys] == ["BOX_KEY", "STUDIO_KEY"]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (("[hosts.box]", "gateway.envoy.enable = true\n[hosts.box]"), "external.no-hook", "Envoy"),
        (
            ("[hosts.box]", "gateway.litellm.enable = true\n[hosts.box]"),
            "external.no-hook",
            "LiteLLM",
        ),
        (
            ("[hosts.box.hardware]", "gateway.litellm.enable = true\n[hosts.box.hardware]"),
            "hosts.wake-door",
            "has one",
        ),
        (('address = "192.168.1.11"\n', ""), "hosts.no-address", "address"),
        (
            ('address = "192.168.1.10"\nkey = { env = "STUDIO_KEY" }\n', 'address = "127.0.0.1"\n'),
            "hosts.wake-key",
            "`studio` asks its clients for no key",
        ),
        (("aa:bb:cc:dd:ee:ff", "aa:bb:cc:dd:ee"), "config.bad-value", "card"),
        (("aa:bb:cc:dd:ee:ff", "-oProxy:bb:cc:dd:ee"), "config.bad-value", "card"),
    ],
)
def test_what_cannot_wake_it_is_told_with_its_place(change, code, words):
    assert change[0] in WAKE
    with pytest.raises(ConfigError) as refused:
        made(WAKE.replace(*change) + TWO)
    found = [item for item in refused.value.diagnostics if item.code == code]
    assert found
    assert words in found[0].message
    assert found[0].key
    assert found[0].hint


def test_a_host_that_ssh_does_not_reach_may_sleep():
    config = read(WAKE + TWO)[0]
    for name, hint in (("box", "it may sleep: `llmgen wake box`"), ("studio", "is it on?")):
        item = Diagnostic("remote.unreachable", "away", ("hosts", name), hint="is it on?")
        assert may_sleep(item, config).hint.startswith(hint)


def test_a_server_of_external_is_woken_as_well():
    text = """
edition = 2
[hardware]
profile = "cpu"
memory = "16GiB"
[services.llama_swap]
always = true
[paths]
home = "/home/me"
[external.far]
endpoint = "http://10.0.0.7:8000"
upstream_model = "org/far"
wake = { mac = "AA-BB-CC-DD-EE-FF", health = "/v1/health" }
"""
    config = load([parse("llm.toml", text)])
    artifacts = llama_swap.artifacts(place(resolve(config, {})), make_render())
    found = read_yaml(next(iter(artifacts)).content)
    entry = found["models"]["far"]
    assert (entry["useModelName"], entry["checkEndpoint"]) == ("org/far", "/v1/health")
