"""Three real hosts on a network: every name from every gateway, failover, no circles, keys."""

import contextlib
import json
import subprocess
import threading
import time

import machines_apart as apart
import pytest
import readers
import stack as live

pytestmark = [
    pytest.mark.reader("llama-server"),
    pytest.mark.reader("envoy"),
    pytest.mark.skipif(not apart.usable(), reason="needs root, namespaces and a bridge"),
    pytest.mark.thorough,
]

ADDRESSES = {"studio": "10.77.0.1", "box": "10.77.0.2", "spark": "10.77.0.3"}
KEYS = {name: f"sk-planted-{name}-1234567" for name in ADDRESSES}
PORTS = {"studio": 8080, "box": 4001, "spark": 4001}
SWAP = readers.find("llama-swap") is not None
# Where llama-swap is missing, the router, which knows no variants.
ENGINE = "llama_swap" if SWAP else "router"

HOST = """
[hosts.{name}]
address = "{address}"
key = {{ env = "{NAME}_KEY" }}
services.on_demand = "{engine}"
{more}
[hosts.{name}.paths]
home = "{folder}/home"
models = "{models}"
config = "{folder}/etc"
state = "{folder}/state"
runtime = "{folder}/run"
llama_server = "{llama_server}"
llama_swap = "{llama_swap}"
envoy = "{envoy}"
litellm = "{litellm}"
llmgen = "{llmgen}"
[hosts.{name}.hardware]
os = "linux"
backend = "cpu"
memory = "16GiB"
reserve = "1GiB"
devices = []
threads = 1
"""
MODELS = """
[models.chat]
model = "chat.gguf"
host = ["box", "spark"]
keep = "always"
default = true
ctx_size = 4096
parallel = 2
aliases = ["gpt-4o"]
variants.chat-short.params = { max_tokens = 3 }
[models.coder]
model = "coder.gguf"
host = "studio"
keep = "on_demand"
ctx_size = 2048
aliases = ["claude-local"]
[models.both]
model = "coder.gguf"
host = ["studio", "spark"]
keep = "on_demand"
ctx_size = 2048
[models.embed]
model = "embed.gguf"
role = "embedding"
host = "spark"
keep = "always"
ctx_size = 512
[models.rank]
model = "rank.gguf"
role = "rerank"
host = "box"
keep = "always"
ctx_size = 512
"""
ENVOY = "gateway.envoy.enable = true"
LITELLM = 'gateway.litellm = { enable = true, master_key = { env = "SPARK_KEY" } }'
FRONT = {"box": ENVOY, "spark": f"{ENVOY}\n{LITELLM}"}


def text(folder, models, more=FRONT):
    programs = {**live.programs(), "llmgen": live.LLMGEN, "models": models, "engine": ENGINE}
    hosts = (
        HOST.format(
            name=name,
            NAME=name.upper(),
            address=address,
            folder=folder / name,
            more=more.get(name, ""),
            **programs,
        )
        for name, address in ADDRESSES.items()
    )
    return "edition = 2\n" + "".join(hosts) + MODELS


class Network:
    """The machines, and requests of somebody who has the key of each."""

    def __init__(self, inside, machines):
        self.inside, self.machines = inside, machines

    def ask(self, host, path, body, **options):
        url = f"http://{ADDRESSES[host]}:{PORTS[host]}{path}"
        options.setdefault("key", KEYS[host])
        return apart.ask(self.inside["switch"], url, body, **options)

    def chat(self, host, model, **options):
        body = {
            "messages": [{"role": "user", "content": "hello"}],
            "temperature": 0,
            "max_tokens": 4,
        }
        if model:
            body["model"] = model
        return self.ask(host, "/v1/chat/completions", body, **options)

    @contextlib.contextmanager
    def without(self, host, *names):
        """The services are down, and up again afterwards."""
        machine = self.machines[host]
        for name in names:
            machine.stop(name, live.signal.SIGKILL)
        try:
            yield
        finally:
            for name in names:
                machine.start(name)
            for name in names:
                machine.wait(name)
            # What was put aside is asked again after this long.
            time.sleep(6)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    folder = tmp_path_factory.mktemp("net")
    live.write_models(folder / "models")
    keys = {f"{name.upper()}_KEY": key for name, key in KEYS.items()}
    found = apart.members(text(folder, folder / "models"), folder / "models")
    with apart.namespaces(ADDRESSES) as inside, contextlib.ExitStack() as held:
        machines = {}
        for name, member in found.items():
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "models").symlink_to(folder / "models")
            machine = apart.Machine(inside[name], member.config, folder / name, keys)
            machines[name] = held.enter_context(machine)
        yield Network(inside, machines)


SERVICE = "swap" if SWAP else "router"
NAMES = ["both", "chat", "gpt-4o", "coder", "claude-local", "chat-short"]


@pytest.mark.parametrize("host", ADDRESSES)
@pytest.mark.parametrize("model", NAMES)
def test_every_name_answers_from_every_gateway(net, host, model):
    if host == "studio" and not SWAP:
        pytest.skip("a router is no gateway")
    status, text = net.chat(host, model)
    assert status == 200, text
    if model == "chat-short":
        assert json.loads(text)["usage"]["completion_tokens"] == 3


MESSAGES = [{"role": "user", "content": "x"}]
OWN = {
    "/tokenize": {"content": "ab cd"},
    "/apply-template": {"messages": MESSAGES},
    "/v1/completions": {"prompt": "ab", "max_tokens": 3, "temperature": 0},
    "/completion": {"prompt": "ab", "n_predict": 3, "temperature": 0},
    "/chat/completions": {"messages": MESSAGES, "max_tokens": 2, "temperature": 0},
    "/v1/messages/count_tokens": {"messages": MESSAGES},
}
COMPARED = ("tokens", "prompt", "choices", "content", "input_tokens", "data", "results")


def said(text):
    found = json.loads(text)
    return {key: found[key] for key in COMPARED if key in found}


@pytest.mark.parametrize("path", OWN)
@pytest.mark.parametrize(
    ("model", "here", "there"), [("chat", "box", "spark"), ("coder", "box", "spark")]
)
def test_paths_of_the_servers_own_are_the_same_elsewhere(net, path, model, here, there):
    body = {**OWN[path], "model": model}
    first, second = net.ask(here, path, body), net.ask(there, path, body)
    assert (first[0], second[0]) == (200, 200), (first, second)
    assert said(first[1]) == said(second[1])
    assert said(first[1])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"input": "hello"}),
        ("/v1/rerank", {"query": "a", "documents": ["b", "c"]}),
        ("/v1/chat/completions", {"messages": MESSAGES, "max_tokens": 2, "temperature": 0}),
        ("/tokenize", {"content": "ab cd"}),
    ],
)
def test_the_default_answers_where_it_is_elsewhere(net, path, body):
    found = [net.ask(host, path, body) for host in ("box", "spark")]
    assert [status for status, _ in found] == [200, 200], found
    assert said(found[0][1]) == said(found[1][1])


def test_a_wrong_key_is_refused(net):
    assert net.chat("box", "chat", key="sk-wrong")[0] == 401
    assert net.chat("spark", "chat", key=KEYS["box"])[0] == 401


def timed(call):
    start = time.monotonic()
    found = call()
    return *found, time.monotonic() - start


def test_the_other_host_answers_for_a_server_that_is_down(net):
    with net.without("box", "model-chat"):
        for _ in range(5):
            status, text, seconds = timed(lambda: net.chat("box", "gpt-4o"))
            assert (status, seconds < 3) == (200, True), text
        # A variant means the same there.
        assert json.loads(net.chat("box", "chat-short")[1])["usage"]["completion_tokens"] == 3
        status, text, seconds = timed(lambda: net.chat("studio", "chat"))


def test_a_host_whose_gateway_is_down_is_passed_over(net):
    with net.without("spark", "envoy", "model-chat", "model-embed"):
        for _ in range(3):
            status, text, seconds = timed(lambda: net.chat("box", "chat"))
            assert (status, seconds < 3) == (200, True), text
        status, text, seconds = timed(lambda: net.ask("box", "/v1/embeddings", {"input": "x"}))
        assert status == 503
        assert json.loads(text)["error"]["code"] == "backend_unavailable"
        assert seconds < 30


def test_when_all_are_down_the_client_is_told_and_nothing_goes_round(net):
    with net.without("box", "model-chat"), net.without("spark", "model-chat"):
        before = {host: requests(net, host) for host in ("box", "spark")}
        status, text, seconds = timed(lambda: net.chat("box", "chat"))
        after = {host: requests(net, host) for host in ("box", "spark")}
        assert status == 503, text
        assert json.loads(text)["error"]["code"] == "backend_unavailable"
        assert seconds < 30
        # One from the client and none from the other host, which was asked in some of nine tries.
        assert after["box"] - before["box"] == 1
        assert 1 <= after["spark"] - before["spark"] <= 8


def requests(net, host):
    """How many requests have come to the gateway of a host."""
    url = "http://127.0.0.1:9901/stats?filter=^http.llm.downstream_rq_total"
    return int(apart.ask(net.inside[host], url)[1].rpartition(" ")[2])


def test_what_a_gateway_has_sent_is_answered_by_the_own_server_or_not_at_all(net):
    hop = ("-H", "x-llmgen-hop: 1")
    assert net.chat("box", "chat", more=hop)[0] == 200
    with net.without("box", "model-chat"):
        status, text, seconds = timed(lambda: net.chat("box", "chat", more=hop))
        assert (status, seconds < 3) == (503, True), text


def test_a_model_elsewhere_is_reached_through_one_more_gateway_at_most(net):
    # It loses nothing but failover with the header of its own.
    assert net.chat("box", "coder", more=("-H", "x-llmgen-hop: mine"))[0] == 200
    status, text = net.chat("box", "coder", more=("-H", "x-llmgen-hop: 1,1"))
    assert (status, json.loads(text)["error"]["code"]) == (508, "loop_detected")
    assert net.chat("box", "chat", more=("-H", "x-llmgen-hop: 1,1"))[0] == 200


def test_a_host_that_dies_in_the_middle_is_noticed(net):
    """A stream that has begun ends broken; what has not begun is answered by the other host."""
    body = {"model": "chat", "prompt": "ab", "n_predict": 4000, "stream": True, "ignore_eos": True}
    found = {}

    def stream():
        found["stream"] = net.ask("box", "/completion", body, seconds=60)

    thread = threading.Thread(target=stream)
    thread.start()
    time.sleep(1)
    with net.without("box", "model-chat"):
        thread.join(40)
        status, text = found["stream"]
        assert "stop_type" not in text or status == 200
        assert status == 0 or '"stop":true' in text.replace(" ", "")
        assert net.chat("box", "chat")[0] == 200


def cut_off(net, port, frozen, ask):
    """What a request gets whose machine stops to work, and then has no network."""
    cut = [*net.inside["switch"], "ip", "link", "set", port]
    found = []
    thread = threading.Thread(target=lambda: found.append(timed(ask)))
    live.os.killpg(frozen.pid, live.signal.SIGSTOP)
    try:
        thread.start()
        time.sleep(1)
        subprocess.run([*cut, "down"], check=True)
        thread.join(60)
    finally:
        subprocess.run([*cut, "up"], check=True)
        live.os.killpg(frozen.pid, live.signal.SIGCONT)
    return found[0]


def test_a_host_that_is_cut_off_in_the_middle_is_answered_for(net):
    """A machine without a network: no word of an end, and nothing has been answered yet."""
    frozen = net.machines["studio"].processes[SERVICE]
    status, text, seconds = cut_off(net, "port0", frozen, lambda: net.chat("box", "both"))
    assert (status, seconds < 20) == (200, True), (text, seconds)


@pytest.fixture(scope="module")
def lite(net):
    machine = net.machines["spark"]
    machine.start("litellm")
    machine.wait("litellm", 90)
    return "http://127.0.0.1:4000"


@pytest.mark.reader("litellm")
def test_litellm_turns_to_the_other_host(net, lite):
    def chat(model):
        body = {"model": model, "messages": MESSAGES, "max_tokens": 4, "temperature": 0}
        url = f"{lite}/v1/chat/completions"
        return apart.ask(net.inside["spark"], url, body, key=KEYS["spark"])

    assert [chat(name)[0] for name in NAMES] == [200] * len(NAMES)
    with net.without("spark", "model-chat"):
        status, text, seconds = timed(lambda: chat("chat"))
        assert (status, seconds < 30) == (200, True), (text, seconds)
        # The other gateway is told not to ask back.
        with net.without("box", "model-chat"):
            before = requests(net, "spark")
            assert chat("chat")[0] >= 500
            assert requests(net, "spark") == before


def test_a_machine_that_vanishes_without_another_is_told(net):
    """An answer that nobody else has: an error after about ten seconds, not a wait for ever."""
    frozen, body = net.machines["spark"].processes["envoy"], {"model": "embed", "input": "x"}
    status, text, seconds = cut_off(
        net, "port2", frozen, lambda: net.ask("box", "/v1/embeddings", body)
    )
    assert (status, seconds < 30) == (503, True), (text, seconds)
