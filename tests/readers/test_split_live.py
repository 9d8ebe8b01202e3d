"""llama-server itself on two devices: each layer, weight and cache is where the plan has it.

The devices are ggml-rpc-servers whose memory is set by tests/readers/free_memory.c, so they differ
in what is free, and loading a model leaves less.
"""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from gguf_writer import write_llama
from making import config
from oracle.headers import write_header

import readers
from llmgen.facts.local import read_model
from llmgen.plan.place import place
from llmgen.render.environment import make_render
from llmgen.resolve import resolve
from llmgen.targets import llama_server
from llmgen.verify.comparison import compare, seen_by_program
from llmgen.verify.program import command, figures
from readers import rpc_servers
from readers.ports import free_port
from readers.running import running

pytestmark = pytest.mark.reader("llama-server", "llama-fit-params", "ggml-rpc-server")
MIB = 2**20
# What is free at the start: the server alone would divide by it, 3 to 1.
FREE_MIB = {"RPC0": 1500, "RPC1": 500}
SHAPE = {"layers": 23, "embedding": 128, "heads": 4}
_BUFFER = re.compile(r"RPC0\[(\S+)\] +(model|KV|compute) buffer size = +([\d.]+) MiB")
_LAYER = re.compile(r"layer +(\d+) assigned to device (\w+)")
_WORDS = {"model": "model", "KV": "context", "compute": "compute"}


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """The library that sets an RPC server's memory; whoever built llama.cpp has a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        message = "no C compiler for tests/readers/free_memory.c"
        (pytest.fail if readers.required() else pytest.skip)(message)
    library = tmp_path_factory.mktemp("shim") / "free_memory.so"
    source = Path(__file__).with_name("free_memory.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def devices(shim, tmp_path):
    """Two cards, each as two RPC servers: one serves one client. A list of what --rpc takes."""
    clients = [[], []]
    with contextlib.ExitStack() as ends:
        for name, mebibytes in FREE_MIB.items():
            card = tmp_path / name
            for client in clients:
                port = free_port()
                ends.enter_context(rpc_server(card, port, mebibytes, shim))
                client.append(f"127.0.0.1:{port}")
        yield [",".join(addresses) for addresses in clients]


@contextlib.contextmanager
def rpc_server(card, port, mebibytes, shim):
    own = {"LD_PRELOAD": str(shim), "LIMIT_MIB": str(mebibytes), "CARD": str(card)}
    with rpc_servers.rpc_server(port, card.with_suffix(f".{port}.log"), env=own) as process:
        with card.open("a") as file:
            file.write(f"{process.pid}\n")
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("models")
    for name in ("first", "second", "draft"):
        layers = 7 if name == "draft" else SHAPE["layers"]
        write_llama(found / f"{name}.gguf", data="sparse", **{**SHAPE, "layers": layers})
    # 0.4 GiB, which the first device then has less.
    wide = {"layers": 14, "embedding": 1024, "heads": 8, "feed_forward": 4096}
    write_llama(found / "large.gguf", data="sparse", **wide)
    return found


def planned(text, folder, memory=("900MiB", "700MiB")):
    rows = ", ".join(
        f'{{ name = "{name}", memory = "{size}", reserve = 0 }}'
        for name, size in zip(FREE_MIB, memory, strict=True)
    )
    head = f"""
edition = 1
[hardware]
os = "linux"
backend = "cuda"
memory = "16GiB"
devices = [{rows}]
process_overhead = "0"
host = "box"
[paths]
home = "/home/llm"
models = "{folder}"
llama_server = "{readers.find("llama-server")}"
[defaults]
ctx_size = 2048
ubatch_size = 128
load_mode = "none"
"""
    lock = {f"file:{item.name}": read_model(item) for item in folder.glob("*.gguf")}
    return place(resolve(config(text, head=head), lock))


@contextlib.contextmanager
def loaded(placed, devices, log, without=()):
    """(layers, MiB by device and word) that the server tells when it has started."""
    words = [*placed.argv]
    for flag in without:
        at = words.index(flag)
        del words[at : at + 2]
    port = free_port()
    words += ["--port", str(port), "--no-warmup", "--verbosity", "5"]
    with running(
        words, ready=f"http://127.0.0.1:{port}/health", log=log, env={"LLAMA_ARG_RPC": devices}
    ):
        yield told(log.read_text("utf-8", "replace"), devices)


def told(text, devices):
    """Layers in the order of the log, and sizes; each server's only device is its RPC0."""
    names = {address: f"RPC{at}" for at, address in enumerate(devices.split(","))}
    sizes = Counter()
    for address, word, mebibytes in _BUFFER.findall(text):
        sizes[names[address], _WORDS[word]] += float(mebibytes)
    layers = [(int(layer), device) for layer, device in _LAYER.findall(text)]
    return layers, sizes


def wanted(placed):
    """The plan's figures in the words of the log."""
    names = {"gpu0": "RPC0", "gpu1": "RPC1"}
    found = Counter()
    for item in placed.estimate.memory:
        if item.device in names:
            for word in ("model", "context", "compute"):
                found[names[item.device], word] = getattr(item, word) / MIB
    return found


def assert_as_planned(placed, found):
    layers, sizes = found
    assert dict(layers) == planned_layers(placed, SHAPE["layers"])
    expected = wanted(placed)
    for key in expected:
        # The log rounds to 0.01 MiB; compute buffers have an error of their own.
        slack = 0.5 if key[1] == "compute" else 0.011
        assert sizes[key] == pytest.approx(expected[key], abs=slack), (key, sizes, expected)


def planned_layers(placed, blocks):
    first = int(placed.settings.tensor_split[0])
    return {layer: "RPC0" if layer < first else "RPC1" for layer in range(blocks + 1)}


def test_layers_weights_and_caches_are_where_the_plan_has_them(devices, folder, tmp_path):
    plan = planned('[models.a]\nmodel = "first.gguf"\n', folder)
    (placed,) = plan.placements
    # 24 layers with the output, on 900 and 700 MiB; by what is free it would be 19 and 5.
    assert placed.settings.tensor_split == (14.0, 10.0)
    with loaded(placed, devices[0], tmp_path / "told.log") as found:
        assert_as_planned(placed, found)


def test_without_the_shares_free_memory_would_decide(devices, folder, tmp_path):
    """What this file's first test would not notice otherwise: free memory is heard of at all."""
    (placed,) = planned('[models.a]\nmodel = "first.gguf"\n', folder).placements
    log = tmp_path / "untold.log"
    with loaded(placed, devices[0], log, without=["--tensor-split"]) as (layers, _):
        assert Counter(dict(layers).values()) == {"RPC0": 19, "RPC1": 5}


def test_second_model_lands_as_planned_beside_the_first(devices, folder, tmp_path):
    text = (
        '[models.large]\nmodel = "large.gguf"\ndevice = ["gpu0"]\n'
        '[models.b]\nmodel = "second.gguf"\n'
    )
    plan = planned(text, folder, memory=("1500MiB", "500MiB"))
    assert any({"large", "b"} <= {*state.models} for state in plan.states)
    large, placed = plan.placement("large"), plan.placement("b")
    with loaded(large, devices[0], tmp_path / "large.log"):
        log = tmp_path / "untold.log"
        with loaded(placed, devices[1], log, without=["--tensor-split"]) as found:
            by_free = Counter(dict(found[0]).values())
        with loaded(placed, devices[1], tmp_path / "told.log") as found:
            assert_as_planned(placed, found)
    assert by_free != Counter(planned_layers(placed, SHAPE["layers"]).values())


def test_conf_and_preset_say_the_same(devices, folder, tmp_path):
    told_all = "[models.a]\nmodel = 'first.gguf'\n"
    text = f'{told_all}extra_args = ["--no-warmup", "--verbosity", "5"]\n'
    for form in ("conf", "ini"):
        engine = 'keep = "always"' if form == "conf" else '[services]\non_demand = "router"'
        plan = planned(f"{text}{engine}\n", folder)
        (placed,) = plan.placements
        log = tmp_path / f"{form}.log"
        with started(form, plan, devices[0], log):
            assert_as_planned(placed, told(log.read_text("utf-8", "replace"), devices[0]))


@contextlib.contextmanager
def started(form, plan, devices, log):
    """The server by its .conf, or by the router's INI and a request to load it."""
    (placed,), library = plan.placements, plan.library
    own = {"LLAMA_ARG_RPC": devices}
    if form == "conf":
        own |= dict(llama_server.environment(placed, library))
        ready = f"http://127.0.0.1:{placed.port}/health"
        with running(llama_server.command(placed, library), ready=ready, log=log, env=own):
            yield
        return
    file = log.with_suffix(".ini")
    file.write_bytes(
        next(
            item.content
            for item in llama_server.artifacts(plan, make_render())
            if item.path.name == "models.ini"
        )
    )
    url = f"http://127.0.0.1:{free_port()}"
    words = [
        readers.find("llama-server"),
        "--models-preset",
        file,
        "--port",
        url.rpartition(":")[2],
    ]
    with running(words, ready=f"{url}/health", log=log, env=own):
        httpx.post(f"{url}/models/load", json={"model": placed.name}, timeout=30).raise_for_status()
        wait(f"{url}/health?model={placed.name}", log)
        yield


def wait(url, log):
    """The model's own server has said where its buffers are."""
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        if "model loaded" in log.read_text("utf-8", "replace"):
            return
        time.sleep(0.1)
    raise AssertionError(url + log.read_text("utf-8", "replace")[-3000:])


def test_fit_params_measures_the_planned_shares(devices, tmp_path):
    """A published model's header on both cards, beside others on one card each."""
    write_header(tmp_path / "llama.gguf", "llama-3.1-8b")
    one = 'model = "llama.gguf"\nctx_size = 16384\n'
    text = f'[models.a]\n{one}device = ["gpu0"]\n[models.b]\n{one}device = ["gpu1"]\n'
    plan = planned(f"{text}[models.c]\n{one}", tmp_path, memory=("12GiB", "12GiB"))
    placed = plan.placement("c")
    assert placed.settings.tensor_split == (17.0, 16.0)
    asked = seen_by_program(placed.settings, 2)
    words = command(readers.find("llama-fit-params"), placed.model.path, asked)
    done = subprocess.run(
        [str(word) for word in words],
        env={"PATH": os.environ["PATH"], "LLAMA_ARG_RPC": devices[0]},
        capture_output=True,
        text=True,
        check=True,
    )
    found = compare(placed.model.facts, placed.settings, plan.library.build, figures(done.stdout))
    assert [item.device for item in found] == ["host", "gpu0", "gpu1"]
    for item in found[1:]:
        assert {*item.differs} <= {"compute"}, (item.device, item.ours, item.theirs)


def test_draft_is_where_the_plan_has_it(devices, folder, tmp_path):
    text = '[models.a]\nmodel = "first.gguf"\ndraft = { model = "draft.gguf" }\n'
    (placed,) = planned(text, folder).placements
    with loaded(placed, devices[0], tmp_path / "draft.log") as (layers, sizes):
        counted = Counter(device for _, device in layers)
        expected = wanted(placed)
        for key in expected:
            if key[1] != "compute":
                assert sizes[key] == pytest.approx(expected[key], abs=0.021), (key, sizes)
    # 24 and 8 layers, each by 14 to 10: 14 and 10, then 5 and 3.
    assert counted == {"RPC0": 14 + 5, "RPC1": 10 + 3}
