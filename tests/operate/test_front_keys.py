"""Which key of the stack each of its doors takes."""

import pytest
from targets import plans

from llmgen.operate.engines.front import key_at

KEYED = """
[services]
api_key = { env = "SERVERS" }
[services.llama_swap]
SWAP
[gateway.envoy]
api_keys = [{ name = "a", secret = { env = "CLIENTS" } }]
[gateway.litellm]
master_key = { env = "MASTER" }
"""
SWAP = 'api_keys = [{ env = "LOADER" }]'


@pytest.mark.parametrize(
    ("service", "swap", "key"),
    [
        ("envoy", SWAP, "clients"),
        ("litellm", SWAP, "master"),
        ("swap", SWAP, "loader"),
        # Without its own, llama-swap hands on what its servers ask for.
        ("swap", "", "servers"),
        ("router", SWAP, "servers"),
        ("model-a", SWAP, "servers"),
        ("open-webui", SWAP, ""),
    ],
)
def test_a_door_gets_its_own_key(service, swap, key, monkeypatch):
    for name in ("SERVERS", "CLIENTS", "MASTER", "LOADER"):
        monkeypatch.setenv(name, name.lower())
    text = '[models.a]\nmodel = "a.gguf"\n' + KEYED.replace("SWAP", swap)
    assert key_at(plans.library(text).config, service) == key
