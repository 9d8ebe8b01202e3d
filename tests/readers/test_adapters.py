"""What LoRA adapters add, beside what llama-server says that it allocates for them."""

import re

import pytest
from gguf_writer import Tensor, write_gguf, write_llama

import readers
from llmgen.budget.estimate import estimate
from llmgen.budget.settings import ServerSettings
from llmgen.facts.local import read_model
from readers.ports import free_port
from readers.running import running

RANK = 64
WIDTHS = {"attn_q": (512, 512), "ffn_up": (512, 2048), "ffn_down": (2048, 512)}
ADAPTER = {"general.type": "adapter", "adapter.type": "lora", "general.architecture": "llama"}


@pytest.fixture
def files(tmp_path):
    model = write_llama(tmp_path / "m.gguf", embedding=512, feed_forward=2048, heads=8)
    tensors = []
    for layer in range(2):
        for name, (inner, outer) in WIDTHS.items():
            start = f"blk.{layer}.{name}.weight"
            tensors.append(Tensor(f"{start}.lora_a", (inner, RANK)))
            tensors.append(Tensor(f"{start}.lora_b", (RANK, outer)))
    header = {**ADAPTER, "adapter.lora.alpha": 16.0}
    return model, write_gguf(tmp_path / "lora.gguf", header, tensors, data="random")


@pytest.mark.reader("llama-server")
def test_adapter_takes_what_is_planned(files, tmp_path):
    model, adapter = files
    port, log = free_port(), tmp_path / "log"
    words = [readers.find("llama-server"), "--model", model, "--lora", adapter, "--port", str(port)]
    words += ["--ctx-size", "1024", "--parallel", "1", "--verbosity", "4"]
    with running(words, ready=f"http://127.0.0.1:{port}/health", log=log):
        said = log.read_text()
    settings = ServerSettings(ctx_size=1024, parallel=1, devices=())
    plain = estimate(read_model(model), settings)
    made = estimate(read_model(model), settings, adapters=(read_model(adapter),))
    weights = made.memory[0].model - plain.memory[0].model
    assert _mib(said, "LoRA buffer") == [pytest.approx(weights / 2**20, abs=0.01)]
    # At most one more row than without it; how much of it the graph needs depends on its peak.
    *_, compute = _mib(said, "compute buffer")
    assert compute <= made.memory[0].compute / 2**20 + 0.01
    assert made.memory[0].compute - plain.memory[0].compute == 4 * 512 * (2048 + RANK)


def _mib(text, what):
    return [float(found) for found in re.findall(what + r" size = +([\d.]+) MiB", text)]
