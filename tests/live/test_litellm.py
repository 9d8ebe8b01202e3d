"""The same stack through LiteLLM: names, endpoints, keys, streams, and keys that LiteLLM knows."""

import json
from importlib import import_module

import httpx
import pytest
import stack as live
from shared_stack import ALICE, BOB, FIRST, MASTER

# It takes more of the processor to start than all other servers of these tests together.
pytestmark = [
    pytest.mark.thorough,
    pytest.mark.reader("llama-server"),
    pytest.mark.reader("litellm"),
    pytest.mark.parametrize("stack", [FIRST], indirect=True, scope="session"),
]

HELLO = [{"role": "user", "content": "hello"}]
# The likeliest token, always: random weights can say half a letter and nothing else.
ON = {"ignore_eos": True, "temperature": 0}


@pytest.fixture(scope="module")
def client(lite):
    openai = import_module("openai")

    with openai.OpenAI(base_url=f"{lite.lite}/v1", api_key=MASTER, max_retries=0) as made:
        yield made


@pytest.mark.parametrize("name", ["small", "gpt-4o-mini", "coder", "gpt-4o", "claude-local"])
def test_names_and_aliases_answer(client, name):
    answer = client.chat.completions.create(model=name, messages=HELLO, max_tokens=4, extra_body=ON)
    assert answer.usage.completion_tokens == 4


def test_a_stream_arrives_in_pieces(client):
    chunks = client.chat.completions.create(
        model="gpt-4o", messages=HELLO, max_tokens=12, stream=True, extra_body=ON
    )
    assert sum(bool(item.choices and item.choices[0].delta.content) for item in chunks) > 3


@pytest.mark.parametrize("name", ["small-short", "long-short"])
def test_variants_set_their_parameters(client, name):
    answer = client.chat.completions.create(
        model=name, messages=HELLO, max_tokens=50, extra_body=ON
    )
    assert answer.usage.completion_tokens == 3


def test_embeddings_and_rerank(lite, client):
    for name in ("embed", "text-embedding-3-small"):
        assert len(client.embeddings.create(model=name, input="x").data[0].embedding) == 64
    for name in ("rank", "rerank-1"):
        body = {"model": name, "query": "q", "documents": ["a", "b"]}
        status, text, _ = live.post(
            f"{lite.lite}/v1/rerank", body, authorization=f"Bearer {MASTER}"
        )
        assert status == 200, text
        assert len(json.loads(text)["results"]) == 2


def test_messages_of_anthropic(lite):
    anthropic = import_module("anthropic")

    with anthropic.Anthropic(base_url=lite.lite, api_key=MASTER, max_retries=0) as claude:
        answer = claude.messages.create(model="claude-local", messages=HELLO, max_tokens=5)
    assert answer.usage.output_tokens <= 5


def test_wrong_keys_are_refused(lite):
    for headers, status in (({}, 401), ({"authorization": "Bearer sk-wrong"}, 400)):
        assert live.get(f"{lite.lite}/v1/models", **headers)[0] == status


def test_a_client_that_hangs_up_stops_the_server(lite):
    port = lite.plan.ports["small"]
    body = {"model": "small", "messages": HELLO, "stream": True, "max_tokens": 1900, **ON}
    headers = {"authorization": f"Bearer {MASTER}"}
    url = f"{lite.lite}/v1/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=30) as answer:
        next(answer.iter_lines())

    def idle():
        slots = json.loads(live.get(f"http://127.0.0.1:{port}/slots")[1])
        return not any(slot["is_processing"] for slot in slots)

    live.until(idle, 5)


def test_no_log_and_no_file_holds_a_key(lite):
    content = lite.log("litellm").encode()
    for path in (lite.folder / "etc").rglob("*"):
        content += path.read_bytes() if path.is_file() else b""
    assert [key for key in (ALICE, BOB, MASTER) if key.encode() in content] == []
