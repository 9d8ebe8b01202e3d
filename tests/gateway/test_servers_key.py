"""The key of [services] reaches servers behind llama-swap, which hands on what it is sent."""

import pytest
from targets import plans

from llmgen.gateway.backends import backends

SERVERS = '[services]\napi_key = { file = "servers.key" }\n'
SWAPS = '[services.llama_swap]\napi_keys = [{ file = "servers.key" }]\n'


@pytest.mark.parametrize(
    ("table", "told"), [("", ""), (SERVERS, "llama-server"), (SERVERS + SWAPS, "llama-swap")]
)
def test_on_demand_models_are_asked_with_the_key_that_their_server_wants(table, told):
    text = '[models.a]\nmodel = "chat.gguf"\n' + table
    found = [item for item in backends(plans.plan(text)) if item.engine == "llama_swap"]
    assert {item.secret for item in found} == {told}
