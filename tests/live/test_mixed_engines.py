"""The real llama-swap starts one model of each engine, and never more than the plan allows.

llama-server, whisper.cpp's server and, where it is installed, stable-diffusion.cpp's are real. The
others are stand-ins, and say so in their names: vLLM and SGLang need a GPU, mlx_lm a Mac,
text-embeddings-inference is in no registry.
"""

import base64
import json
import sys
from pathlib import Path
from random import Random

import httpx
import pytest
import readers
import stack as live
from making import config
from readers.ports import free_ports
from readers.residency import free_ranges
from readers.tiny_flux import ONE_STEP, picture_size, write_parts
from readers.tiny_whisper import write_model, write_silence

sys.path.append(str(Path(__file__).parents[1] / "plan"))
from simulator import MatrixSwap

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.reader("llama-swap"),
    pytest.mark.reader("llama-server"),
    pytest.mark.reader("whisper-server"),
    pytest.mark.reader("envoy"),
]

STAND_IN = Path(__file__).with_name("stand_in_server.py")
# Two cards that nobody has: no real server here puts anything on them.
TEXT = """
[services]
llama_swap.port = {swap}
llama_swap.start_port = {first}
start_port = {always}
[gateway.envoy]
port = {envoy}
admin_port = {admin}
[models.chat]
model = "chat.gguf"
device = []
ctx_size = 512
cache_ram = 0
[models.ear]
engine = "whisper"
model = "tiny.bin"
program = "{whisper}"
threads = 1
memory = {{ gpu0 = "2GiB", host = "300MiB" }}
aliases = ["whisper-1"]
[models.big]
engine = "vllm"
hf_repo = "org/big"
program = "{folder}/stand-in-vllm"
gpu_memory_utilization = 0.7
aliases = ["gpt-4o"]
memory = {{ host = "1GiB" }}
[models.thinker]
engine = "sglang"
hf_repo = "org/thinker"
program = "{folder}/stand-in-sglang"
device = ["gpu1"]
memory = {{ host = "1GiB" }}
[models.mac]
engine = "mlx"
hf_repo = "org/mac"
program = "{folder}/stand-in-mlx"
memory = {{ gpu1 = "3GiB", host = "1GiB" }}
[models.painter]
engine = "stable-diffusion"
diffusion_model = "diffusion_model.safetensors"
vae = "vae.safetensors"
clip_l = "clip_l.safetensors"
threads = 1
diffusion_fa = true
offload_to_cpu = true
extra_args = {one_step}
program = "{painter}"
memory = {{ gpu0 = "5GiB", host = "1GiB" }}
[models.rank]
engine = "tei"
role = "rerank"
hf_repo = "org/rank"
program = "{folder}/stand-in-tei"
memory = {{ host = "512MiB" }}
[models.voice]
engine = "command"
cmd = "{folder}/stand-in-tts --host 127.0.0.1 --port ${{PORT}} --words 'a b' --name ${{MODEL_ID}}"
serves = ["speech", "transcription"]
memory = {{ gpu1 = "4GiB", host = "1GiB" }}
"""
HEAD = live.HEAD.replace('backend = "cpu"', 'backend = "cuda"').replace(
    "devices = []", 'devices = [{{ memory = "8GiB" }}, {{ memory = "8GiB" }}]'
)
# One grey dot.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
CHAT = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 1}
# What is asked of each model, on a path that its engine serves.
ASKED = {
    "chat": ("/v1/chat/completions", CHAT),
    "big": ("/v1/chat/completions", CHAT),
    "thinker": ("/v1/chat/completions", CHAT),
    "mac": ("/v1/chat/completions", CHAT),
    "painter": ("/v1/images/generations", {"prompt": "a", "size": "64x64"}),
    "voice": ("/v1/audio/speech", {"input": "a"}),
    "ear": ("/v1/audio/transcriptions", None),
}
SD_SERVER = readers.find("sd-server")
REAL = {"chat", "ear", *(["painter"] if SD_SERVER else [])}
STAND_INS = ("vllm", "sglang", "mlx", "sd-server", "tei", "tts")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engines")
    live.write_models(folder / "models")
    write_model(folder / "models" / "tiny.bin")
    for name in STAND_INS:
        path = folder / f"stand-in-{name}"
        path.write_text(f"#!{sys.executable}\n" + STAND_IN.read_text("utf-8"))
        path.chmod(0o755)
    ports = dict(zip(("swap", "envoy", "admin"), free_ports(3), strict=True))
    ports["first"], ports["always"] = free_ranges(2, 10)
    write_parts(folder / "models")
    text = TEXT.format(
        folder=folder,
        whisper=readers.find("whisper-server"),
        painter=SD_SERVER or folder / "stand-in-sd-server",
        one_step=json.dumps(ONE_STEP),
        **ports,
    )
    head = HEAD.format(folder=folder, llmgen=live.LLMGEN, **live.programs())
    started = EnginesStack(config(text, head=head), folder)
    started.silence = write_silence(folder / "silence.wav").read_bytes()
    with started:
        yield started


class EnginesStack(live.Stack):
    """The stack, whose always-on stand-in says where it listens by its own words."""

    def health(self, name):
        if name != "model-rank":
            return super().health(name)
        return f"http://127.0.0.1:{self.plan.placement('rank').port}/health"

    def ask(self, base, model, name=""):
        """One request of the model's kind, under another of its names."""
        path, body = ASKED[model]
        with httpx.Client(base_url=base, timeout=60) as client:
            if body is None:
                files = {"file": ("a.wav", self.silence)}
                return client.post(path, files=files, data={"model": name or model})
            return client.post(path, json={**body, "model": name or model})

    @property
    def swap(self):
        return f"http://127.0.0.1:{self.plan.library.config.services.llama_swap.port}"

    @property
    def envoy(self):
        return f"http://127.0.0.1:{self.plan.library.config.gateway.envoy.port}"

    def running(self):
        rows = httpx.get(f"{self.swap}/running", timeout=10).json()["running"]
        return frozenset(row["model"] for row in rows)


@pytest.mark.parametrize("model", ASKED)
def test_llama_swap_starts_a_model_of_each_engine(stack, model):
    answer = stack.ask(stack.swap, model)
    assert answer.status_code == 200, answer.text
    assert model in stack.running()
    if model not in REAL:
        assert answer.json()["stand_in"].startswith("stand-in-")


@pytest.mark.reader("sd-server")
def test_sd_server_draws_a_picture_for_llama_swap(stack):
    assert picture_size(stack.ask(stack.swap, "painter")) == (64, 64)
    own = httpx.get(f"{stack.swap}/upstream/painter/v1/models", timeout=60).json()["data"]
    assert [item["id"] for item in own] == ["sd-cpp-local"]


@pytest.mark.reader("sd-server")
def test_sd_server_draws_and_edits_a_picture_for_envoy(stack):
    drawn = stack.ask(stack.envoy, "painter")
    assert picture_size(drawn) == (64, 64)
    image = base64.b64decode(drawn.json()["data"][0]["b64_json"])
    assert picture_size(edit(stack, image)) == (64, 64)


def edit(stack, image):
    """A picture to change, as a form that names its model."""
    form = {"image": ("a.png", image), "model": (None, "painter"), "prompt": (None, "a")}
    form["size"] = (None, "64x64")
    return httpx.post(f"{stack.envoy}/v1/images/edits", files=form, timeout=60)


def test_a_program_is_told_the_name_that_it_wants_to_hear(stack):
    assert json.loads(stack.ask(stack.swap, "mac").json()["sent"])["model"] == "default_model"
    assert json.loads(stack.ask(stack.swap, "big", "gpt-4o").json()["sent"])["model"] == "big"


def test_macros_and_quotes_reach_the_program(stack):
    words = stack.ask(stack.swap, "voice").json()["words"]
    assert words[-4:] == ["--words", "a b", "--name", "voice"]


def test_300_requests_stay_within_the_plan_and_go_as_simulated(stack):
    matrix = stack.plan.engines["box"]
    swap = MatrixSwap(matrix.sets, matrix.variables, matrix.evict_costs)
    httpx.get(f"{stack.swap}/unload", timeout=60)
    budgets = {pool.name: pool.budget_bytes for pool in stack.plan.pools}
    always = [item for item in stack.plan.placements if item.keep.value == "always"]
    random, names = Random(12), list(ASKED)
    # Pictures seldom: llama-swap asks every five seconds whether a server is up.
    for name in random.choices(names, weights=[12, 8, 6, 6, 1, 10, 8], k=300):
        assert stack.ask(stack.swap, name).status_code == 200
        held = stack.running()
        assert held == swap.request(name), name
        loaded = [*always, *map(stack.plan.placement, held)]
        for pool, budget in budgets.items():
            assert sum(item.footprint.get(pool, 0) for item in loaded) <= budget, (pool, held)


@pytest.mark.parametrize(
    ("name", "heard_by"), [("ear", "whisper"), ("whisper-1", "whisper"), ("voice", "stand-in-tts")]
)
def test_envoy_finds_the_model_of_a_recording_in_its_form(stack, name, heard_by):
    answer = stack.ask(stack.envoy, "ear", name)
    assert answer.status_code == 200, answer.text
    assert answer.json().get("stand_in", "whisper") == heard_by
    assert "text" in answer.json() or heard_by != "whisper"


def test_envoy_takes_speech_pictures_and_rerank_to_their_servers(stack):
    for answer in (stack.ask(stack.envoy, "painter"), edit(stack, PICTURE)):
        assert "data" in answer.json() or answer.json()["stand_in"] == "stand-in-sd-server"
    assert stack.ask(stack.envoy, "voice").json()["stand_in"] == "stand-in-tts"
    body = {"model": "rank", "query": "a", "texts": ["b"]}
    for path in ("/v1/rerank", "/rerank"):
        answer = httpx.post(f"{stack.envoy}{path}", json=body, timeout=60).json()
        assert (answer["stand_in"], answer["path"]) == ("stand-in-tei", "/rerank")


def test_envoy_lists_every_model(stack):
    listed = httpx.get(f"{stack.envoy}/v1/models", timeout=10).json()["data"]
    assert {"rank", "whisper-1", "gpt-4o", *ASKED} <= {item["id"] for item in listed}


def test_an_unknown_model_of_a_form_is_told_the_known_ones(stack):
    answer = stack.ask(stack.envoy, "ear", "nobody")
    assert answer.status_code == 404
    assert "whisper-1" in answer.text
