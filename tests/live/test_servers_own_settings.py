"""Without Envoy: llama-server and the router keep foreign pages out and are as loud as told."""

import json

import pytest
import stack as live
from readers.ports import free_ports

pytestmark = [pytest.mark.thorough, pytest.mark.reader("llama-server")]

TEXT = """
[services]
on_demand = "{engine}"
start_port = {model}
cors_origin = "{origin}"
log_level = "{level}"
[services.{engine}]
port = {port}
{start}
[gateway.litellm]
enable = true
port = {litellm}
master_key = {{ env = "MASTER_KEY" }}
log_level = "debug"
cache = {{ ttl = "5m" }}
[models.small]
model = "chat.gguf"
keep = "always"
ctx_size = 2048
[models.coder]
model = "coder.gguf"
ctx_size = 2048
"""
ORIGIN = "http://localhost:3000"
MASTER = "sk-planted-master-5555555555"
CHAT = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 4}


@pytest.fixture(scope="module", params=["router", "llama_swap"])
def stack(request, tmp_path_factory):
    if request.param == "llama_swap" and not live.readers.find("llama-swap"):
        pytest.skip("reader `llama-swap` is missing")
    folder = tmp_path_factory.mktemp("settings")
    live.write_models(folder / "models")
    first = free_ports(30)[0]
    level = "debug" if request.param == "router" else "error"
    start = f"start_port = {first + 20}" if request.param == "llama_swap" else ""
    values = {"port": first, "litellm": first + 1, "model": first + 10}
    origin = ORIGIN if request.param == "router" else "localhost"
    text = TEXT.format(engine=request.param, level=level, start=start, origin=origin, **values)
    with live.Stack(text, folder, {"MASTER_KEY": MASTER}) as made:
        made.values, made.engine = values, request.param
        yield made


def allowed(url, model, origin):
    """What an answer says about the page that asked."""
    headers = live.post(f"{url}/v1/chat/completions", {"model": model, **CHAT}, 60, origin=origin)
    assert headers[0] == 200, headers[1]
    return headers[2].get_all("access-control-allow-origin") or []


def test_the_page_that_is_named_may_read_answers(stack):
    assert allowed(f"http://127.0.0.1:{stack.values['model']}", "small", ORIGIN) == [ORIGIN]
    assert allowed(f"http://127.0.0.1:{stack.values['port']}", "coder", ORIGIN) == [ORIGIN]


def test_other_pages_may_not(stack):
    for where, model in (("model", "small"), ("port", "coder")):
        url = f"http://127.0.0.1:{stack.values[where]}"
        assert "http://evil.example" not in allowed(url, model, "http://evil.example")
        assert "*" not in allowed(url, model, "http://evil.example")


def test_servers_say_as_much_as_they_were_told(stack):
    allowed(f"http://127.0.0.1:{stack.values['model']}", "small", "http://localhost:3000")
    said = len(stack.log("model-small").splitlines())
    assert said > 200 if stack.engine == "router" else said < 30


@pytest.mark.reader("litellm")
def test_litellm_gives_the_same_answer_again(stack):
    if stack.engine != "router":
        pytest.skip("one engine is enough")
    stack.start("litellm")
    stack.wait("litellm", 120)
    url = f"http://127.0.0.1:{stack.values['litellm']}/v1/chat/completions"
    found = []
    for _ in range(2):
        status, text, _ = live.post(
            url,
            {"model": "small", "temperature": 1.5, **CHAT},
            60,
            authorization=f"Bearer {MASTER}",
        )
        assert status == 200, text
        found.append(json.loads(text)["id"])
    assert found[0] == found[1]
    assert "DEBUG" in stack.log("litellm")
