"""Servers that die, restart or never come up behind the gateway: a prompt, correct answer."""

import json
import signal
import threading
import time

import httpx
import pytest
import stack as live
from shared_stack import ALICE, FIRST, make

pytestmark = [pytest.mark.reader("llama-server"), pytest.mark.reader("envoy")]

HELLO = [{"role": "user", "content": "hello"}]
KEY = {"x-api-key": ALICE}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A stack of this module's own, since its servers are killed."""
    with make(tmp_path_factory.mktemp("faults"), FIRST) as made:
        yield made


def chat(stack, model="small", **more):
    body = {"model": model, "messages": HELLO, "max_tokens": 4, "ignore_eos": True, **more}
    return live.post(f"{stack.url}/v1/chat/completions", body, 60, x_api_key=ALICE)


def test_a_server_killed_in_a_stream_ends_the_stream_at_once(own):
    body = {"model": "small", "messages": HELLO, "stream": True, "max_tokens": 1900}
    url = f"{own.url}/v1/chat/completions"
    with httpx.stream("POST", url, json={**body, "ignore_eos": True}, headers=KEY) as answer:
        lines = answer.iter_lines()
        next(lines)
        own.stop("model-small", signal.SIGKILL)
        with pytest.raises(httpx.RemoteProtocolError):
            list(lines)
    own.start("model-small")
    own.wait("model-small")


def test_requests_during_a_restart_are_served_after_it(own):
    own.stop("model-small")
    found = []
    thread = threading.Thread(target=lambda: found.append(chat(own)))
    thread.start()
    time.sleep(1)
    own.start("model-small")
    thread.join(50)
    assert [status for status, _, _ in found] == [200]
    assert json.loads(found[0][1])["model"] == "small"


def test_a_server_that_never_comes_up_is_503_and_the_others_go_on(own):
    own.stop("model-rank")
    found = []
    body = {"model": "rank", "query": "q", "documents": ["a"]}
    ask = lambda: found.append(live.post(f"{own.url}/v1/rerank", body, 90, **KEY))  # noqa: E731
    thread = threading.Thread(target=ask)
    thread.start()
    assert chat(own)[0] == 200
    live.until(lambda: live.get(f"{own.url}/ready")[0] == 503, 15)
    assert live.get(f"{own.url}/health")[0] == 200
    thread.join(80)
    status, text, headers = found[0]
    assert (status, json.loads(text)["error"]["code"]) == (503, "backend_unavailable")
    assert headers["retry-after"] == "5"
    assert "model/rank" in text
    own.start("model-rank")
    own.wait("model-rank")


@pytest.mark.reader("llama-swap")
def test_requests_while_llama_swap_restarts_are_served_by_their_model(own):
    assert json.loads(chat(own, "gpt-4o")[1])["model"] == "coder"
    own.stop("swap")
    found = []
    names = ("gpt-4o", "long")
    threads = [
        threading.Thread(target=lambda name=name: found.append((name, chat(own, name))))
        for name in names
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    own.start("swap")
    for thread in threads:
        thread.join(60)
    assert {name: status for name, (status, _, _) in found} == dict.fromkeys(names, 200)
    assert {json.loads(text)["model"] for _, (_, text, _) in found} == {"coder", "long"}


def test_an_on_demand_model_that_cannot_load_is_an_error_and_not_another_model(own):
    broken = own.folder / "models" / "long.gguf"
    own.stop("swap") if "swap" in own.services else own.stop("router")
    content = broken.read_bytes()
    broken.write_bytes(content[:4096])
    engine = "swap" if "swap" in own.services else "router"
    own.start(engine)
    own.wait(engine)
    status, text, _ = chat(own, "long")
    assert status >= 500
    assert "choices" not in text
    broken.write_bytes(content)
    assert chat(own, "gpt-4o")[0] == 200
