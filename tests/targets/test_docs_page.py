"""CONFIGURATION.md lists under each door what it serves."""

import plans

from llmgen.render.environment import make_render
from llmgen.targets import docs

MODELS = """
[services]
on_demand = "{engine}"
[models.chat]
model = "chat.gguf"
ctx_size = 2048
[models.embed]
model = "embed.gguf"
role = "embedding"
ctx_size = 512
"""


def page(engine):
    (made,) = docs.artifacts(plans.plan(MODELS.format(engine=engine)), make_render())
    return made.content.decode()


def test_router_does_not_offer_what_always_on_servers_have():
    assert "/v1/chat/completions" in page("router")
    assert "/v1/embeddings" not in page("router")


def test_llama_swap_offers_its_peers():
    assert "/v1/embeddings" in page("llama_swap")
