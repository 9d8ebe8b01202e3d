"""Addresses beyond loopback need keys, and nothing goes around the gateway."""

import pytest
from making import config

from llmgen.gateway.addresses import loopback
from llmgen.gateway.exposure import exposure, loops, unnamed


def codes(text):
    return [(item.code, item.key) for item in exposure(config(text))]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback(address):
    assert loopback(address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.5", "box.lan", "[fd00::1]"])
def test_beyond_loopback(address):
    assert not loopback(address)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (
            '[gateway.envoy]\nenable = true\nlisten = ["127.0.0.1", "0.0.0.0"]',
            ("gateway", "envoy", "listen", 1),
        ),
        ('[gateway.litellm]\nenable = true\nlisten = "::"', ("gateway", "litellm", "listen")),
        ('[services.llama_swap]\nlisten = "0.0.0.0"', ("services", "llama_swap", "listen")),
        (
            '[services]\non_demand = "router"\n[services.router]\nlisten = "10.0.0.1"',
            ("services", "router", "listen"),
        ),
    ],
)
def test_an_open_address_without_a_key_is_refused_where_it_stands(text, key):
    assert codes(text) == [("gateway.exposed-without-keys", key)]


def test_keys_allow_it():
    assert (
        codes(
            '[gateway.envoy]\nenable = true\nlisten = ["0.0.0.0"]\n'
            'api_keys = [{ name = "a", secret = { env = "A" } }]'
        )
        == []
    )
    assert codes('[services.llama_swap]\nlisten = "0.0.0.0"\napi_keys = [{ env = "A" }]') == []


def test_what_is_not_enabled_does_not_count():
    assert codes('[gateway.envoy]\nlisten = ["0.0.0.0"]\nenable = false') == []
    assert codes('[services]\non_demand = "none"\n[services.llama_swap]\nlisten = "0.0.0.0"') == []


def test_an_engine_beside_its_gateway_stays_on_loopback_even_with_keys():
    text = '[services.llama_swap]\nlisten = "0.0.0.0"\napi_keys = [{ env = "A" }]\n'
    assert codes(text + "[gateway.envoy]\nenable = true\n") == [
        ("gateway.way-around", ("services", "llama_swap", "listen"))
    ]


def test_envoy_listens_on_no_name():
    text = '[gateway.envoy]\nenable = true\nlisten = ["localhost", "::1", "box.lan"]\n'
    keys = 'api_keys = [{ name = "a", secret = { env = "A" } }]'
    assert codes(text + keys) == [("gateway.no-address", ("gateway", "envoy", "listen", 2))]


def test_clients_of_a_certificate_are_told_its_name():
    tls = '[gateway.envoy]\ntls = { cert = "c.pem", key = "k.pem" }\n'
    (found,) = unnamed(config(tls))
    assert (found.code, found.key) == ("gateway.no-name", ("gateway", "envoy", "tls"))
    assert '"https://NAME:4001"' in found.hint
    for more in ('[targets.clients]\nbase_url = "https://llm.lan"', "", "enable = false"):
        quiet = f"{tls}{more}" if more else "[gateway.envoy]\n"
        assert [*unnamed(config(quiet))] == []


@pytest.mark.parametrize(
    ("endpoint", "found"),
    [
        ("http://127.0.0.1:4001/v1", [("gateway.loop", ("external", "far", "endpoint"))]),
        ("http://localhost:8080", [("gateway.loop", ("external", "far", "endpoint"))]),
        ("http://127.0.0.1:4002", []),
        ("http://10.0.0.9:4001", []),
    ],
)
def test_model_of_another_server_is_not_this_stack_itself(endpoint, found):
    text = f'[gateway.envoy]\nenable = true\n[external.far]\nendpoint = "{endpoint}"'
    assert [(item.code, item.key) for item in loops(config(text))] == found


def test_nor_is_it_at_an_address_on_which_this_stack_listens():
    text = """[gateway.envoy]
listen = ["127.0.0.1", "10.0.0.9", "fd00::9"]
api_keys = [{ name = "me", secret = { env = "KEY" } }]
[external.far]
endpoint = "http://10.0.0.9:4001"
[external.six]
endpoint = "http://[fd00::9]:4001"
[external.other]
endpoint = "http://10.0.0.9:4002"
"""
    found = [*loops(config(text))]
    assert [(item.code, item.key[1]) for item in found] == [
        ("gateway.loop", "far"),
        ("gateway.loop", "six"),
    ]
