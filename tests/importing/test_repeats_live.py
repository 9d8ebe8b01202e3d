"""Options that stand twice: llama-server itself runs the same before the import and after it.

Compared are what it serves (`/props`: context, slots, sampling, template), its adapters and
their scales (`/lora-adapters`), and which tensors it keeps elsewhere (its log).
"""

import re
import shlex
from pathlib import Path

import httpx
import pytest
import readers
from gguf_writer import Tensor, write_gguf, write_llama
from readers.ports import free_port
from readers.running import running

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.facts.local import read_model
from llmgen.importing.command_line import keys_of
from llmgen.importing.parts import Part
from llmgen.importing.write import document
from llmgen.plan.command import argv
from llmgen.resolve import resolve
from llmgen.resolve.references import references

pytestmark = pytest.mark.reader("llama-server")

HARDWARE = {"host": "box", "os": "linux", "backend": "cpu", "memory": "8GiB"}
# What llmgen always says, and llama-server's own defaults differ in.
BASE = "-c 512 -np 1 --no-kv-unified -ngl 0 -fa off -ctk f16 -ctv f16 --no-warmup --device none"
# Of the moment or of the one process; names are the gateway's matter.
OWN = {
    "model_alias",
    "model_path",
    "build_info",
    "is_sleeping",
    "chat_template_caps",
    "media_marker",
}
_MOVED = re.compile(r"tensor (\S+) .*buffer type overridden to (\S+)")

CASES = {
    "overrides": r"-ot blk\.(0|1)\.ffn_.*=CPU -ot attn_q=CPU,attn_k=CPU",
    "adapters": "--lora {a} --lora {b} --lora-scaled {c}:0.5",
    "last one": "-c 256 -c 1024 -ctk q8_0 --cache-type-k f16 -np 2 -np 3 --temp 0.1 --temp 0.7",
    "samplers": "--samplers top_k;temp --sampler-seq kpmt --top-k 3 --top_k 7 -s 1 -s 42",
    "templates": "--chat-template llama2 --chat-template chatml --reasoning-budget 5 -a x -a y",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("models")
    write_llama(found / "m.gguf")
    for name in "abc":
        write_adapter(found / f"{name}.gguf")
    return found


def write_adapter(path):
    """Rank 2 for the queries of the first layer of the small model."""
    metadata = {
        "general.architecture": "llama", "general.type": "adapter",
        "adapter.type": "lora", "adapter.lora.alpha": 2.0,
    }  # fmt: skip
    tensors = [
        Tensor("blk.0.attn_q.weight.lora_a", (64, 2), "f32"),
        Tensor("blk.0.attn_q.weight.lora_b", (2, 64), "f32"),
    ]
    write_gguf(path, metadata, tensors, data="random")


def asked(words, log):
    """What the server answers with these words."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    argument = ["--host", "127.0.0.1", "--port", port, "-lv", "5", *words]
    with running([readers.find("llama-server"), *argument], ready=f"{address}/health", log=log):
        props = httpx.get(f"{address}/props").json()
        adapters = httpx.get(f"{address}/lora-adapters").json()
    # `--fit` looks once more.
    moved = sorted(set(_MOVED.findall(log.read_text("utf-8", "replace"))))
    return {key: value for key, value in props.items() if key not in OWN}, adapters, moved


@pytest.mark.sample(2)
@pytest.mark.parametrize("case", CASES)
def test_the_same_is_served_after_an_import(case, folder, tmp_path):
    names = {name: folder / f"{name}.gguf" for name in "abc"}
    words = ["-m", str(folder / "m.gguf"), *BASE.split(), *CASES[case].format(**names).split()]
    keys, faults = keys_of("m", words)
    assert [item.message for item in faults] == []
    text = document(Part({("models", "m"): keys}), HARDWARE, home="/home/me")
    config = load([parse("llm.toml", text)])
    known = {ref: read_model(Path(ref.removeprefix("file:"))) for ref in references(config)}
    library = resolve(config, known)
    (model,) = library.models
    written = argv(model, model.settings, library)[1:]
    before, after = asked(words, tmp_path / "before.log"), asked(written, tmp_path / "after.log")
    assert after[0]["default_generation_settings"] == before[0]["default_generation_settings"]
    different = [key for key in before[0] if before[0][key] != after[0].get(key)]
    assert (different, after[1:]) == ([], before[1:]), shlex.join(written)
    assert case != "overrides" or len(before[2]) > 4
    assert case != "adapters" or [one["scale"] for one in before[1]] == [1.0, 1.0, 0.5]
