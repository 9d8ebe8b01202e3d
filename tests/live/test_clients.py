"""Real clients against the real stack: Envoy, llama-swap or the router, llama-server.

Their packages are imported where they are used: pytest reads this file in every process.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

import httpx
import pytest
import stack as live
from shared_stack import ALICE, BOB

pytestmark = [pytest.mark.reader("llama-server"), pytest.mark.reader("envoy")]

HELLO = [{"role": "user", "content": "hello"}]
TEXT_NAMES = {
    "small": "small",
    "gpt-4o-mini": "small",
    "Claude-Haiku-4-5": "small",
    "coder": "coder",
    "gpt-4o": "coder",
    "claude-local": "coder",
    "long": "long",
}
# Random weights may end an answer at once, or say half a letter and nothing else; always the
# likeliest token is the same answer each time.
ON = {"ignore_eos": True, "temperature": 0}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "look",
            "description": "Look something up.",
            "parameters": {
                "type": "object",
                "properties": {"what": {"type": "string", "enum": ["a", "b"]}},
                "required": ["what"],
            },
        },
    }
]


@pytest.fixture(scope="module")
def chatgpt(stack):
    openai = import_module("openai")

    with openai.OpenAI(base_url=f"{stack.url}/v1", api_key=ALICE, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def claude(stack):
    anthropic = import_module("anthropic")

    with anthropic.Anthropic(base_url=stack.url, api_key=BOB, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("case", [str, str.upper, str.title])
@pytest.mark.parametrize("name", TEXT_NAMES)
def test_every_name_reaches_its_model_and_no_other(chatgpt, name, case):
    answer = chatgpt.chat.completions.create(
        model=case(name), messages=HELLO, max_tokens=4, extra_body=ON
    )
    assert answer.usage.completion_tokens == 4
    assert answer.model == TEXT_NAMES[name]


def test_chat_streams_in_pieces_and_the_log_has_its_tokens(stack, chatgpt):
    stream = chatgpt.chat.completions.create(
        model="gpt-4o",
        messages=HELLO,
        max_tokens=12,
        stream=True,
        stream_options={"include_usage": True},
        extra_body=ON,
    )
    chunks = list(stream)
    assert sum(bool(item.choices) for item in chunks) > 3
    assert chunks[-1].usage.completion_tokens == 12
    identity = stream.response.headers["x-request-id"]
    live.until(lambda: identity in stack.log("envoy"), 5)
    row = next(json.loads(line) for line in stack.log("envoy").splitlines() if identity in line)
    assert row["client"] == "alice"
    assert (row["llm"]["model"], row["llm"]["stream"]) == ("gpt-4o", True)
    assert row["llm"]["completion_tokens"] == 12
    assert row["llm"]["timings"]["predicted_per_second"] > 0


def test_tokens_of_a_stream_that_tells_no_usage_are_counted(stack, claude):
    body = {"model": "coder", "messages": HELLO, "max_tokens": 7, "stream": True, **ON}
    counted = 'envoy_llm_completion_tokens{model="text/coder",client="alice"} '

    def count():
        lines = live.get(stack.metrics)[1].splitlines()
        return sum(int(line.removeprefix(counted)) for line in lines if line.startswith(counted))

    before = count()
    assert live.post(f"{stack.url}/v1/chat/completions", body, x_api_key=ALICE)[0] == 200
    live.until(lambda: count() >= before + 7, 5)
    # The second one finds the prompt in the cache, and Anthropic's usage leaves that out.
    for _ in range(2):
        raw = claude.messages.with_raw_response.create(
            model="coder", messages=HELLO, max_tokens=1, extra_body=ON
        )
    identity = raw.headers["x-request-id"]
    live.until(lambda: identity in stack.log("envoy"), 5)
    row = next(json.loads(line) for line in stack.log("envoy").splitlines() if identity in line)
    assert row["llm"]["cached_tokens"] == raw.parse().usage.cache_read_input_tokens > 0


def test_tools_reach_the_model(chatgpt):
    """Random weights call none, but what they are told grows by the tool."""
    plain, tooled = (
        chatgpt.chat.completions.create(
            model="gpt-4o-mini", messages=HELLO, max_tokens=4, **options
        ).usage.prompt_tokens
        for options in ({}, {"tools": TOOLS, "tool_choice": "required"})
    )
    assert tooled > plain


def test_a_schema_reaches_the_sampler_with_its_keys_in_order(chatgpt):
    keys = ["zebra", "apple", "mango"]
    choice = {"type": "string", "enum": ["a", "b"]}
    schema = {
        "type": "object",
        "properties": dict.fromkeys(keys, choice),
        "required": keys,
        "additionalProperties": False,
    }
    answer = chatgpt.chat.completions.create(
        model="small-long",
        messages=HELLO,
        max_tokens=1000,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )
    assert list(json.loads(answer.choices[0].message.content)) == keys


def test_completions_and_responses(chatgpt):
    assert chatgpt.completions.create(model="coder", prompt="x", max_tokens=3).usage.total_tokens
    answer = chatgpt.responses.create(model="coder", input="x", max_output_tokens=3, extra_body=ON)
    assert answer.usage.output_tokens == 3


@pytest.mark.parametrize("name", ["embed", "text-embedding-3-small"])
def test_embeddings(chatgpt, name):
    answer = chatgpt.embeddings.create(model=name, input=["one", "two"])
    assert [len(item.embedding) for item in answer.data] == [64, 64]


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank", "/v1/reranking", "/reranking"])
@pytest.mark.parametrize("name", ["rank", "rerank-1", None])
def test_rerank(stack, path, name):
    body = {"query": "q", "documents": ["a", "bb", "c"], **({"model": name} if name else {})}
    status, text, _ = live.post(stack.url + path, body, x_api_key=ALICE)
    assert status == 200, text
    assert sorted(item["index"] for item in json.loads(text)["results"]) == [0, 1, 2]


def test_messages_of_anthropic(claude):
    answer = claude.messages.create(
        model="claude-local", messages=HELLO, max_tokens=5, extra_body=ON
    )
    assert 1 <= answer.usage.output_tokens <= 5
    with claude.messages.stream(
        model="gpt-4o-mini", messages=HELLO, max_tokens=6, extra_body=ON
    ) as stream:
        kinds = [event.type for event in stream]
        assert kinds[-1] == "message_stop"
        assert 1 <= stream.get_final_message().usage.output_tokens <= 6
    assert claude.messages.count_tokens(model="gpt-4o", messages=HELLO).input_tokens > 0


def test_both_list_every_name_with_the_context_of_one_request(chatgpt, claude):
    openai = import_module("openai")

    listed = {item.id: item.context_length for item in chatgpt.models.list()}
    assert listed["gpt-4o"] == listed["coder"] == 2048
    # Two slots share 4096 tokens.
    assert listed["small"] == 2048
    assert listed.keys() >= TEXT_NAMES.keys() | {"embed", "rank", "small-short", "long-short"}
    assert {item.id for item in claude.models.list()} == listed.keys()
    assert chatgpt.models.retrieve("gpt-4o").id == "gpt-4o"
    with pytest.raises(openai.NotFoundError, match="no model of this name"):
        chatgpt.models.retrieve("gpt-9")


@pytest.mark.parametrize("name", ["small-short", "Small-Short", "long-short", "LONG-SHORT"])
def test_a_variant_sets_its_parameters_over_the_clients_own(chatgpt, name):
    answer = chatgpt.chat.completions.create(
        model=name, messages=HELLO, max_tokens=50, extra_body=ON
    )
    assert answer.usage.completion_tokens == 3


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": HELLO, "max_tokens": 2}),
        ("/chat/completions", {"messages": HELLO, "max_tokens": 2, "model": "gpt-4o"}),
        ("/v1/messages", {"messages": HELLO, "max_tokens": 2}),
        ("/completion", {"prompt": "x", "n_predict": 2}),
        ("/completion", {"prompt": "x", "n_predict": 2, "model": "gpt-4o"}),
        ("/tokenize", {"content": "x"}),
        ("/tokenize", {"content": "x", "model": "gpt-4o"}),
        ("/detokenize", {"tokens": [5], "model": "coder"}),
        ("/apply-template", {"messages": HELLO, "model": "claude-local"}),
        ("/v1/embeddings", {"input": "x"}),
        ("/embedding", {"content": "x"}),
    ],
)
def test_paths_work_with_and_without_a_model(stack, path, body):
    status, text, _ = live.post(stack.url + path, body, x_api_key=ALICE)
    assert status == 200, text


def test_unknown_models_are_refused_with_the_known_names(chatgpt, claude):
    anthropic = import_module("anthropic")
    openai = import_module("openai")

    with pytest.raises(openai.NotFoundError) as refused:
        chatgpt.chat.completions.create(model='x"%y', messages=HELLO)
    assert refused.value.code == "model_not_found"
    assert 'x"%y' in refused.value.message
    assert "gpt-4o-mini" in refused.value.message
    with pytest.raises(anthropic.NotFoundError, match="claude-local"):
        claude.messages.create(model="nope", messages=HELLO, max_tokens=1)
    with pytest.raises(openai.NotFoundError, match="for this endpoint"):
        chatgpt.embeddings.create(model="gpt-4o", input="x")


@pytest.mark.parametrize("key", ["sk-wrong", "", None])
def test_a_wrong_or_missing_key_is_401_in_the_clients_shape(stack, key):
    headers = {"authorization": f"Bearer {key}"} if key is not None else {}
    for path in ("/v1/chat/completions", "/v1/messages", "/v1/embeddings", "/nowhere"):
        status, text, _ = live.post(stack.url + path, {"model": "small"}, **headers)
        assert (status, json.loads(text)["error"]["code"]) == (401, "invalid_api_key")


def test_a_key_in_the_other_header_works(stack):
    for headers in ({"authorization": f"Bearer {BOB}"}, {"x_api_key": BOB}):
        assert live.get(f"{stack.url}/v1/models", **headers)[0] == 200


def test_a_prompt_of_two_megabytes_reaches_the_model(stack):
    body = {"model": "coder", "content": "ab " * 700_000}
    status, text, _ = live.post(f"{stack.url}/tokenize", body, x_api_key=ALICE)
    assert status == 200
    assert len(json.loads(text)["tokens"]) > 500_000
    prompt = [{"role": "user", "content": "ab " * 700_000}]
    body = {"model": "gpt-4o", "messages": prompt, "max_tokens": 1}
    status, text, _ = live.post(f"{stack.url}/v1/chat/completions", body, x_api_key=ALICE)
    assert (status, json.loads(text)["error"]["type"]) == (400, "exceed_context_size_error")


def test_a_body_over_the_limit_is_413(stack):
    body = b'{"model": "small", "x": "' + b"a" * (17 * 2**20) + b'"}'
    with httpx.Client() as client:
        try:
            answer = client.post(
                f"{stack.url}/v1/chat/completions", content=body, headers={"x-api-key": ALICE}
            )
        except httpx.WriteError:
            return  # refused before the body was sent
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


def test_a_client_that_hangs_up_stops_the_server(stack):
    port = stack.plan.ports["small"]
    body = {"model": "small", "messages": HELLO, "stream": True, "max_tokens": 1900, **ON}
    with httpx.stream(
        "POST", f"{stack.url}/v1/chat/completions", json=body, headers={"x-api-key": ALICE}
    ) as answer:
        next(answer.iter_lines())

    def idle():
        slots = json.loads(live.get(f"http://127.0.0.1:{port}/slots")[1])
        return not any(slot["is_processing"] for slot in slots)

    live.until(idle, 5)


def test_pages_of_an_allowed_origin_may_call_and_others_may_not(stack):
    ask = {"origin": "http://localhost:3000", "access-control-request-method": "POST"}
    answer = httpx.options(f"{stack.url}/v1/chat/completions", headers=ask)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert "x-api-key" in answer.headers["access-control-allow-headers"]
    body = {"model": "small", "messages": HELLO, "max_tokens": 1}
    for origin, allowed in (("http://localhost:3000", 1), ("http://evil.example", 0)):
        answer = httpx.post(
            f"{stack.url}/v1/chat/completions",
            json=body,
            headers={"origin": origin, "x-api-key": ALICE},
        )
        assert answer.status_code == 200
        assert ("access-control-allow-origin" in answer.headers) == allowed


def test_more_than_slots_and_queue_is_429_and_the_rest_is_served(stack):
    body = {"model": "small", "messages": HELLO, "max_tokens": 30, **ON}
    with ThreadPoolExecutor(40) as pool:
        found = list(
            pool.map(
                lambda _: live.post(f"{stack.url}/v1/chat/completions", body, x_api_key=ALICE),
                range(40),
            )
        )
    statuses = [status for status, _, _ in found]
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) >= 18  # two slots, sixteen waiting
    for status, text, headers in found:
        if status == 429:
            assert (json.loads(text)["error"]["code"], headers["retry-after"]) == (
                "queue_full",
                "5",
            )


def test_metrics_count_by_model_and_client_and_admin_changes_nothing(stack):
    live.post(f"{stack.url}/v1/embeddings", {"model": "embed", "input": "x"}, x_api_key=BOB)
    wanted = 'envoy_llm_requests{model="embedding/embed",client="bob"}'
    live.until(lambda: wanted in live.get(stack.metrics)[1], 5)
    for page in ("quitquitquit", "drain_listeners", "healthcheck/fail", "runtime_modify"):
        assert live.post(f"{stack.admin}/{page}", b"")[0] == 403


def test_the_gateway_says_whether_it_and_its_servers_are_ready(stack):
    for path in ("/health", "/v1/health"):
        assert live.get(stack.url + path)[0] == 200
    live.until(lambda: live.get(f"{stack.url}/ready")[0] == 200, 10)
