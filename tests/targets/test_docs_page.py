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


def page(engine, head=plans.HEAD):
    made = plans.plan(MODELS.format(engine=engine), head=head)
    (made,) = docs.artifacts(made, make_render())
    return made.content.decode()


def test_router_does_not_offer_what_always_on_servers_have():
    assert "/v1/chat/completions" in page("router")
    assert "/v1/embeddings" not in page("router")


def test_llama_swap_offers_its_peers():
    assert "/v1/embeddings" in page("llama_swap")


def test_services_have_the_names_of_the_target_s_service_manager():
    macos = plans.HEAD.replace('"linux"', '"macos"').replace('"vulkan"', '"metal"')
    assert "`llmgen.model-embed`" in page("llama_swap", macos)
    assert "`llmgen-model-embed.service`" in page("llama_swap")


def test_without_a_front_each_server_has_its_own_address():
    text = page("none")
    assert "`http://127.0.0.1:9001/v1/chat/completions`" in text
    assert "`http://127.0.0.1:9002/v1/embeddings`" in text


def test_aliases_of_external_models_are_listed():
    far = '[external.far]\nendpoint = "http://10.0.0.9:8000"\naliases = ["huge"]\n'
    made = plans.plan(MODELS.format(engine="none") + far)
    (made,) = docs.artifacts(made, make_render())
    assert "| `huge` | `http://10.0.0.9:8000` | alias of far |" in made.content.decode()
