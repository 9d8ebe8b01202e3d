"""Published models split over devices of real ggml-rpc-servers: our estimate beside the program's bytes.

No machine of ours has a GPU beside an RPC server, so what is local is the host: the first layers, where
not all are on devices. Otherwise a device that is lent over loopback stands for a local one: libllama
deals layers to devices whatever they are (llama_prepare_model_devices, load_tensors), and of an RPC
device takes alignment, largest buffer and the size of tensors from the backend behind it
(ggml_backend_rpc_buffer_type_get_alloc_size asks for quantised rows that 512 does not divide, and for
operations with memory of their own; b11434). Here that is the CPU's: 32 bytes where CUDA has 128.
"""

import contextlib
import os
import subprocess

import pytest
import readers
from readers.ports import free_port
from readers.rpc_servers import rpc_server

from llmgen.budget.estimate import estimate
from llmgen.facts.local import read_model
from llmgen.verify.comparison import compare, seen_by_program
from llmgen.verify.program import command, figures
from oracle import build, grid
from oracle.headers import write_header

pytestmark = pytest.mark.reader("ggml-rpc-server", "llama-fit-params")
MODELS = (
    "llama-3.1-8b",
    "llama-3.3-70b",
    "mistral-small-3.2-24b",
    "qwen3-8b",
    "qwen3-coder-30b-a3b",
    "qwen3-235b-a22b",
    "qwen3-next-80b-a3b",
    "gemma-3-27b",
    "gpt-oss-20b",
    "gpt-oss-120b",
    "deepseek-v2-lite",
    "glm-4.5-air",
    "phi-4",
    "granite-4.0-h-small",
)
PAIR, TRIO = ("gpu0", "gpu1"), ("gpu0", "gpu1", "gpu2")
SETTINGS = {
    "host and one": {"ctx_size": 16384, "parallel": 2, "n_gpu_layers": 20},
    "one": {"ctx_size": 8192, "parallel": 1},
    "two of one server": {"ctx_size": 16384, "parallel": 1, "devices": PAIR, "tensor_split": (2.0, 1.0)},
    "three of two servers": {"ctx_size": 16384, "parallel": 2, "devices": TRIO, "tensor_split": (3.0, 2.0, 1.0)},
    "small cache": {"ctx_size": 32768, "parallel": 1, "devices": PAIR, "cache_type_k": "q8_0", "cache_type_v": "q8_0"},
}  # fmt: skip


@pytest.fixture(scope="module")
def lent(tmp_path_factory):
    """Two servers, of two devices and of one."""
    folder = tmp_path_factory.mktemp("rpc")
    with contextlib.ExitStack() as ends:
        found = []
        for words in (("-d", "CPU,CPU"), ()):
            port = free_port()
            ends.enter_context(rpc_server(port, folder / f"{port}.log", *words))
            found.append(f"127.0.0.1:{port}")
        yield tuple(found)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("headers")
    return {name: write_header(folder / f"{name}.gguf", name) for name in MODELS}


@pytest.mark.thorough
def test_every_device_has_the_bytes_of_the_estimate(lent, files):
    wrong = []
    with grid.Oracle(build.builds()[grid.WHOLE], lent=lent) as oracle:
        for name, path in files.items():
            facts = read_model(path)
            for what, setting in SETTINGS.items():
                settings = grid.server_settings(setting)
                answer = oracle.ask(path, settings)
                ours = estimate(facts, settings, grid.WHOLE)
                told = [[item.model, item.context, item.compute] for item in ours.memory]
                if told != answer.get("memory"):
                    wrong.append((name, what, told, answer))
    assert wrong == []


@pytest.mark.thorough
def test_devices_of_a_server_are_like_those_of_the_library(lent, files):
    """The recorded answers, of which all tables are made, were given by libllama as a server."""
    points = [
        point
        for point in grid.recorded(grid.DATA / f"answers-b{grid.WHOLE}.json.xz")
        if point.model in files and len(point.settings.devices) == 2
    ]
    assert len(points) >= 10 * len(MODELS) - len(MODELS)
    with grid.Oracle(build.builds()[grid.WHOLE], lent=lent) as oracle:
        for point in points:
            assert oracle.ask(files[point.model], point.settings) == point.answer, point


@pytest.mark.thorough
@pytest.mark.parametrize("name", MODELS)
def test_fit_params_names_and_measures_them(lent, files, name):
    settings = grid.server_settings(SETTINGS["three of two servers"])
    words = command(
        readers.find("llama-fit-params"), files[name], seen_by_program(settings, len(TRIO))
    )
    done = subprocess.run(
        [*map(str, words)],
        env={"PATH": os.environ["PATH"], "LLAMA_ARG_RPC": ",".join(lent)},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [
        line.split()[0] for line in done.stdout.splitlines() if line.startswith(("RPC", "Host"))
    ]
    assert rows == ["RPC0", "RPC1", "RPC2", "Host"]
    found = compare(read_model(files[name]), settings, grid.WHOLE, figures(done.stdout))
    assert [item.device for item in found] == ["host", *TRIO]
    *others, last = found
    assert [item.differs for item in others] == [(), (), ()]
    # The program asks for logits of every token, of which pooling is the nearest that we know.
    assert {*last.differs} <= {"compute"}
    assert last.theirs.compute <= last.ours.compute < 1.05 * last.theirs.compute
