"""Aliases, keys and servers change while Envoy serves: nothing is lost, nothing restarts."""

import itertools
import threading
import time

import httpx
import pytest
import stack as live
from shared_stack import ALICE, FIRST, make, text_of

pytestmark = [pytest.mark.thorough, pytest.mark.reader("llama-server"), pytest.mark.reader("envoy")]

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    with make(tmp_path_factory.mktemp("reload"), FIRST) as made:
        yield made


def change(stack, old, new):
    """Install llm.toml with other words in it, and let `llmgen keys` publish it."""
    stack.apply(text_of(stack.values).replace(old, new))
    stack.before("envoy")


def named(stack, name):
    body = {"model": name, "content": "x"}
    return live.post(f"{stack.url}/tokenize", body, x_api_key=ALICE)[0]


def test_a_new_alias_is_taken_up_and_an_old_one_goes_without_a_failed_request(own):
    found, running = [], True

    def ask():
        with httpx.Client(headers={"x-api-key": ALICE}) as client:
            while running:
                body = {"model": "gpt-4o-mini", "content": "x"}
                found.append(client.post(f"{own.url}/tokenize", json=body).status_code)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(3):
        assert named(own, f"fresh-{turn}") == 404
        change(own, '"gpt-4o-mini",', f'"gpt-4o-mini", "fresh-{turn}",')
        live.until(lambda turn=turn: named(own, f"fresh-{turn}") == 200, 2)
        assert named(own, f"fresh-{turn - 1}") == 404
    running = False
    for thread in threads:
        thread.join()
    assert len(found) > 100
    assert set(found) == {200}


def test_a_running_stream_survives_a_reload(own):
    body = {"model": "small", "messages": HELLO, "stream": True, "max_tokens": 1500}
    url = f"{own.url}/v1/chat/completions"
    headers = {"x-api-key": ALICE}
    with httpx.stream("POST", url, json={**body, "ignore_eos": True}, headers=headers) as answer:
        lines = answer.iter_lines()
        first = list(itertools.islice(lines, 10))
        change(own, '"gpt-4o-mini",', '"gpt-4o-mini", "in-between",')
        live.until(lambda: named(own, "in-between") == 200, 2)
        rest = list(lines)
    assert first
    assert [line for line in rest if line][-1] == "data: [DONE]"


def test_a_rotated_key_replaces_the_old_one_without_a_restart(own):
    listing = lambda key: live.get(f"{own.url}/v1/models", x_api_key=key)[0]  # noqa: E731
    old = (own.folder / "bob.key").read_text().strip()
    (own.folder / "bob.key").write_text("sk-planted-bob-rotated-1\nignored\n")
    own.before("envoy")
    live.until(lambda: listing("sk-planted-bob-rotated-1") == 200, 2)
    live.until(lambda: listing(old) == 401, 2)
    change(own, '{ name = "bob"', '{ name = "carol"')
    live.until(lambda: listing("sk-planted-bob-rotated-1") == 200, 2)
    (own.folder / "bob.key").write_text(old + "\n")
    change(own, "nothing", "nothing")


def test_a_broken_file_is_refused_and_the_old_state_serves_on(own):
    path = own.folder / "run" / "envoy" / "rds.yaml"
    good = path.read_text()
    beside = path.with_name("next")
    beside.write_text(good.replace("retry_on:", "retry_upon:"))
    beside.replace(path)
    counter = f"{own.admin}/stats?filter=rds.llm.update_rejected"
    live.until(lambda: not live.get(counter)[1].strip().endswith(" 0"), 3)
    assert named(own, "small") == 200
    beside.write_text(good)
    beside.replace(path)
    time.sleep(0.2)
    assert named(own, "small") == 200


def test_draining_lets_a_running_answer_finish(own):
    body = {"model": "small", "messages": HELLO, "stream": True, "max_tokens": 1900}
    url = f"{own.url}/v1/chat/completions"
    headers = {"x-api-key": ALICE}
    stop = own.services["envoy"].stop
    with httpx.stream("POST", url, json={**body, "ignore_eos": True}, headers=headers) as answer:
        lines = answer.iter_lines()
        next(lines)
        drain = threading.Thread(target=lambda: own.run(stop))
        drain.start()
        rest = [line for line in lines if line]
    drain.join(20)
    assert rest[-1] == "data: [DONE]"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{own.url}/health")
