"""A model that several hosts have: each of them in turn, its own first, and nobody asks back."""

import pytest
from fleet_stacks import HOSTS, made

from llmgen.errors import ConfigError

BOTH = """
[models.chat]
model = "chat.gguf"
host = ["studio", "box"]
"""
THIRD = """
[hosts.spark]
address = "192.168.1.12"
key = { env = "SPARK_KEY" }
paths.home = "/home/llm"
gateway.envoy.enable = true
hardware = { os = "linux", backend = "cpu", memory = "64GiB", reserve = "2GiB", devices = [] }
"""
STUDIO = {"endpoint": "http://192.168.1.10:8080", "env": "STUDIO_KEY"}
BOX = {"endpoint": "http://192.168.1.11:4001", "env": "BOX_KEY"}


def told(servers):
    return [{"endpoint": item.endpoint, "env": item.api_key.env} for item in servers]


def test_a_host_with_a_gateway_turns_to_the_others_after_its_own():
    members = made(HOSTS + BOTH).members
    assert told(members["box"].config.models["chat"].failover) == [STUDIO]


def test_a_host_without_a_gateway_has_its_own_server_alone():
    assert made(HOSTS + BOTH).members["studio"].config.models["chat"].failover == ()


def test_a_third_host_asks_them_in_the_files_order():
    found = made(HOSTS + THIRD + BOTH).members["spark"].config.external["chat"]
    assert told([found]) == [STUDIO]
    assert told(found.failover) == [BOX]


def test_without_a_gateway_the_first_is_the_only_one():
    text = HOSTS + THIRD.replace("gateway.envoy.enable = true\n", "") + BOTH
    found = made(text).members["spark"].config.external["chat"]
    assert (told([found]), found.failover) == ([STUDIO], ())


def test_own_spare_servers_come_before_other_hosts():
    own = 'failover = [{ endpoint = "http://10.0.0.9:8080" }]\n'
    found = made(HOSTS + BOTH + own).members["box"].config.models["chat"].failover
    assert [item.endpoint for item in found] == ["http://10.0.0.9:8080", STUDIO["endpoint"]]


def test_two_litellm_are_not_set_on_each_other():
    text = (HOSTS + THIRD + BOTH).replace('["studio", "box"]', '["studio", "box", "spark"]')
    for host in ("studio", "box"):
        text += f"[hosts.{host}.gateway.litellm]\nenable = true\n"
    text = text.replace("gateway.envoy.enable = true\n", "", 1)
    members = made(text).members
    for host in ("studio", "box"):
        found = members[host].config.models["chat"].failover
        assert [item.endpoint for item in found] == ["http://192.168.1.12:4001"]
    assert len(members["spark"].config.models["chat"].failover) == 2


def test_llama_swap_is_told_to_be_one_and_a_router_knows_own_names_alone():
    text = HOSTS + THIRD + BOTH + 'aliases = ["gpt-4o"]\n'
    found = made(text).members["spark"].config.external["chat"]
    assert (found.server, found.failover[0].server) == ("llama_swap", None)
    routed = text.replace("[hosts.studio]\n", '[hosts.studio]\nservices.on_demand = "router"\n')
    found = made(routed).members["spark"].config.external["chat"]
    assert (found.server, found.upstream_model, found.knows_aliases) == (None, "chat", False)


OTHER = """
[models.chat]
model = "chat.gguf"
host = "studio"
default = true
[models.coder]
model = "coder.gguf"
host = "box"
"""


def test_the_default_of_all_is_that_of_every_host_that_has_none_marked():
    assert made(HOSTS + OTHER).members["box"].config.external["chat"].default
    own = OTHER + "[hosts.box.models.coder]\ndefault = true\n"
    assert not made(HOSTS + own).members["box"].config.external["chat"].default


TLS = """
gateway.envoy.tls = { cert = "/etc/llm/cert.pem", key = "/etc/llm/key.pem", client_ca = "ca.pem" }
ca = "/etc/llm/home-ca.pem"
"""
SHOWN = 'client_tls = { cert = "/etc/llm/me.pem", key = "/etc/llm/me.key" }\n'


def guarded(shown=SHOWN):
    """The box asks for certificates, and the third host shows one."""
    text = HOSTS.replace("gateway.envoy.enable = true\n", "gateway.envoy.enable = true\n" + TLS)
    third = THIRD.replace("paths.home", shown + "paths.home")
    chat = BOTH.replace('["studio", "box"]', '"box"')
    return text + third + chat


def test_a_door_with_tls_is_shown_what_it_asks_for():
    text = guarded().replace("[hosts.studio]\n", "[hosts.studio]\ngateway.envoy.enable = true\n")
    text = text.replace("[hosts.studio]\n", "[hosts.studio]\n" + SHOWN)
    found = made(text).members["spark"].config.external["chat"]
    assert found.endpoint == "https://192.168.1.11:4001"
    assert found.ca == "/etc/llm/home-ca.pem"
    assert found.client_tls.cert == "/etc/llm/me.pem"


def test_who_has_no_certificate_or_no_envoy_is_refused_with_the_place():
    with pytest.raises(ConfigError) as refused:
        made(guarded(shown=""))
    assert {(item.code, item.key) for item in refused.value.diagnostics} == {
        ("hosts.no-envoy", ("hosts", "studio")),
        ("hosts.no-certificate", ("hosts", "spark")),
    }
    assert all(item.hint for item in refused.value.diagnostics)


def test_the_door_lets_the_other_hosts_in_and_nobody_else():
    members = made(HOSTS + THIRD + BOTH).members
    assert members["box"].config.services.peers == ("192.168.1.10", "192.168.1.12")


def test_who_says_how_it_listens_says_who_comes_in():
    listen = 'gateway.envoy.listen = ["127.0.0.1", "192.168.1.11"]\n'
    text = HOSTS.replace("[hosts.box.hardware]", listen + "[hosts.box.hardware]") + BOTH
    assert made(text).members["box"].config.services.peers == ()
