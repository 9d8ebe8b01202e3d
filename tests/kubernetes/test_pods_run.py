"""The pods of a small stack run as they are written, and answer a chat through the gateway."""

import time

import pytest
from gguf_writer import write_llama
from made import objects, stack
from pods_by_podman import Pods, asked
from readers import images
from readers.podman import Podman, why_not

from llmgen.facts.local import read_model
from llmgen.facts.lock_model import Entry, Lock

pytestmark = [
    pytest.mark.thorough,
    *(pytest.mark.reader(name) for name in ("podman", "llama-server", "llama-swap", "envoy")),
]

KEY, SERVERS_KEY = "sk-planted-31415", 'sk-"planted\\\\$27182'
FILES = ("a.gguf", "b.gguf", "c.gguf")
HEAD = f"""
edition = 2
[hardware]
os = "linux"
backend = "cpu"
memory = "8GiB"
reserve = "1GiB"
devices = []
threads = 1
[paths]
home = "/home/llm"
[services]
api_key = {{ env = "SERVERS_KEY" }}
[containers]
user = "10001:10001"
image = "{images.NAME}"
llama_swap_image = "{images.NAME}"
envoy_image = "{images.NAME}"
[gateway.envoy]
enable = true
api_keys = [{{ name = "bench", secret = {{ env = "BENCH_KEY" }} }}]
[defaults]
ctx_size = 512
cache_ram = 0
[models.always]
model = "a.gguf"
keep = "always"
aliases = ["gpt-4o"]
variants.short.params = {{ max_tokens = 3 }}
[models.one]
model = "b.gguf"
aliases = ["gpt-one"]
[models."two.2"]
model = "c.gguf"
[kubernetes]
"""


@pytest.fixture(scope="module")
def pods(tmp_path_factory):
    if reason := why_not():
        pytest.skip(f"podman cannot run here: {reason}")
    folder = tmp_path_factory.mktemp("pods")
    models = folder / "models"
    for seed, name in enumerate(FILES):
        write_llama(models / name, seed=seed)
    lock = Lock({f"file:{name}": Entry(read_model(models / name, name)) for name in FILES})
    found = objects(stack(head=HEAD, lock=lock))
    podman = Podman(folder / "podman", [images.store()])
    try:
        secrets = {"BENCH_KEY": f"{KEY}\n", "SERVERS_KEY": SERVERS_KEY}
        made = Pods(podman, found, folder / "volumes", models=models, secrets=secrets)
        for name in made.apps:
            container = made.start(name)
            end = time.monotonic() + 120
            while not made.is_ready(name, container):
                assert time.monotonic() < end, made.log(name)[-3000:]
                time.sleep(0.2)
        yield made
    finally:
        podman.end()


def chat(pods, model, *, key=KEY):
    url = f"http://{pods.address('envoy')}:4001/v1/chat/completions"
    messages = [{"role": "user", "content": "a"}]
    return asked(pods, url, {"model": model, "messages": messages, "max_tokens": 2}, key=key)


@pytest.mark.parametrize(
    ("name", "model"), [("gpt-4o", "always"), ("gpt-one", "one"), ("two.2", "two.2")]
)
def test_every_name_answers_through_the_gateway(pods, name, model):
    status, answer = chat(pods, name)
    assert (status, answer["model"]) == (200, model), answer


def test_a_variant_has_its_own_parameters(pods):
    status, answer = chat(pods, "short")
    assert (status, answer["usage"]["completion_tokens"]) == (200, 3), answer


def test_a_wrong_key_is_refused_by_gateway_and_servers(pods):
    assert chat(pods, "gpt-4o", key="wrong")[0] == 401
    url = f"http://{pods.address('model-always')}:9001/v1/completions"
    assert asked(pods, url, {"prompt": "a"}, key="wrong")[0] == 401


def test_the_gateway_lists_every_name(pods):
    url = f"http://{pods.address('envoy')}:4001/v1/models"
    status, found = asked(pods, url, None, key=KEY)
    assert status == 200
    assert {item["id"] for item in found["data"]} >= {"always", "gpt-4o", "one", "two.2"}


def test_no_key_is_in_an_object_or_a_container(pods):
    said = pods.podman.must("podman", "inspect", *pods.apps)
    said += "".join(pods.log(name) for name in pods.apps)
    assert KEY not in said
    assert SERVERS_KEY not in said
