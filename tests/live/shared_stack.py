"""The llm.toml that most live tests share: always-on models, llama-swap or the router, fronts."""

import readers
import stack as live
from readers.ports import free_ports

TEXT = """
[services]
on_demand = "{engine}"
start_port = {model}
[services.{engine}]
port = {port}
{start}
[gateway.envoy]
enable = true
port = {envoy}
admin_port = {admin}
metrics_port = {metrics}
cors_origins = ["http://localhost:3000"]
api_keys = [
    {{ name = "alice", secret = {{ env = "ALICE_KEY" }} }},
    {{ name = "bob", secret = {{ file = "{folder}/bob.key" }} }},
]
[gateway.litellm]
enable = true
port = {litellm}
master_key = {{ env = "MASTER_KEY" }}
[models.small]
model = "chat.gguf"
keep = "always"
default = true
parallel = 2
ctx_size = 4096
aliases = ["gpt-4o-mini", "Claude-Haiku-4-5"]
chat_template_file = "{folder}/models/tools.jinja"
[models.small.variants.small-short]
params = {{ max_tokens = 3 }}
[models.small.variants.small-long]
params = {{ temperature = 0.2 }}
[models.embed]
model = "embed.gguf"
role = "embedding"
ctx_size = 512
aliases = ["text-embedding-3-small"]
[models.rank]
model = "rank.gguf"
role = "rerank"
ctx_size = 512
aliases = ["rerank-1"]
[models.coder]
model = "coder.gguf"
ctx_size = 2048
aliases = ["gpt-4o", "claude-local"]
[models.long]
model = "long.gguf"
ctx_size = 8192
[models.long.variants.long-short]
params = {{ max_tokens = 3 }}
"""

TEMPLATE = """{%- if tools %}{{ tools | tojson }}{% endif %}
{%- for message in messages %}<{{ message.role }}>{{ message.content }}{% endfor %}
{%- if add_generation_prompt %}<assistant>{% endif %}"""

ALICE, BOB = "sk-planted-alice-0123456789", "sk-planted-bob-9876543210"
MASTER = "sk-planted-master-5555555555"


def settings(folder, engine):
    first = free_ports(30)[0]
    names = ("port", "envoy", "admin", "metrics", "litellm")
    ports = {name: first + index for index, name in enumerate(names)}
    return {"folder": folder, "engine": engine, "model": first + 10, "start": first + 20, **ports}


def text_of(values):
    """The llm.toml; llama-swap's servers get ports of their own."""
    start = f"start_port = {values['start']}" if values["engine"] == "llama_swap" else ""
    return TEXT.format_map({**values, "start": start})


def make(folder, engine):
    live.write_models(folder / "models")
    (folder / "models" / "tools.jinja").write_text(TEMPLATE)
    (folder / "bob.key").write_text(BOB + "\n")
    values = settings(folder, engine)
    made = live.Stack(text_of(values), folder, {"ALICE_KEY": ALICE, "MASTER_KEY": MASTER})
    made.url = f"http://127.0.0.1:{values['envoy']}"
    made.admin = f"http://127.0.0.1:{values['admin']}"
    made.metrics = f"http://127.0.0.1:{values['metrics']}/metrics"
    made.lite = f"http://127.0.0.1:{values['litellm']}"
    made.values = values
    return made


ENGINES = ("llama_swap", "router")
# The engine of tests that are about something else.
FIRST = "llama_swap" if readers.find("llama-swap") else "router"
