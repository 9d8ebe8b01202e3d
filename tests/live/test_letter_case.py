"""Names in other letters: on edition 2 Envoy, LiteLLM and llama-swap know the same spellings."""

import json

import pytest
import stack as live
from readers.ports import free_ports

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.reader("llama-server"),
    pytest.mark.reader("llama-swap"),
    pytest.mark.reader("envoy"),
]

TEXT = """
[services]
start_port = {model}
[services.llama_swap]
port = {swap}
start_port = {start}
[gateway.envoy]
enable = true
port = {envoy}
admin_port = {admin}
[gateway.litellm]
enable = true
port = {litellm}
master_key = {{ env = "MASTER_KEY" }}
[models.Small-Chat]
model = "chat.gguf"
keep = "always"
ctx_size = 2048
aliases = ["GPT-4o", "local"]
[models.Coder]
model = "coder.gguf"
ctx_size = 2048
aliases = ["Claude-Haiku-4-5"]
[models.Coder.variants."Coder:Short"]
params = {{ max_tokens = 2 }}
"""
MASTER = "sk-planted-master-5555555555"
WRITTEN = ["Small-Chat", "GPT-4o", "local", "Coder", "Claude-Haiku-4-5", "Coder:Short"]
# How each name may be spelled, and whether it answers.
SPELLINGS = [(str, True), (str.lower, True), (str.swapcase, False), (str.upper, False)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("letters")
    live.write_models(folder / "models")
    first = free_ports(30)[0]
    names = ("swap", "envoy", "admin", "litellm")
    values = {name: first + index for index, name in enumerate(names)}
    text = TEXT.format_map({**values, "model": first + 10, "start": first + 20})
    head = live.HEAD.replace("edition = 1", "edition = 2")
    chosen = live.configured(text, folder, head)
    with live.Stack(chosen, folder, {"MASTER_KEY": MASTER}) as made:
        made.values = values
        yield made


def answers(stack, front, name):
    body = {"model": name, "messages": [{"role": "user", "content": "x"}], "max_tokens": 2}
    url = f"http://127.0.0.1:{stack.values[front]}/v1/chat/completions"
    key = {"authorization": f"Bearer {MASTER}"} if front == "litellm" else {}
    status, text, _ = live.post(url, body, 60, **key)
    assert status in (200, 400, 404), text
    return status == 200


@pytest.mark.parametrize(
    "front", ["envoy", "swap", pytest.param("litellm", marks=pytest.mark.reader("litellm"))]
)
def test_every_front_knows_the_same_spellings(stack, front):
    if front == "litellm":
        stack.start("litellm")
        stack.wait("litellm", 120)
    for name in WRITTEN:
        for spell, known in SPELLINGS:
            spelled = spell(name)
            wanted = known or spelled in WRITTEN or spelled == name.lower()
            assert answers(stack, front, spelled) is wanted, (front, spelled)


def test_envoy_lists_each_name_once_and_as_written(stack):
    page = live.get(f"http://127.0.0.1:{stack.values['envoy']}/v1/models")[1]
    assert sorted(item["id"] for item in json.loads(page)["data"]) == sorted(WRITTEN)
