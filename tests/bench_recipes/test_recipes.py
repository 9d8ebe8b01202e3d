import json
import subprocess
from pathlib import PurePosixPath

import pytest
import readers
from gguf_writer import write_llama
from making import config, facts
from msgspec import structs
from readers.ports import free_port
from readers.running import running

from llmgen.bench.http import chat, load
from llmgen.bench.recipes import RECIPES, connections, llama_bench
from llmgen.errors import InputError
from llmgen.plan.place import place
from llmgen.resolve import resolve

TEXT = '[models.a]\nmodel = "a.gguf"\nctx_size = "8K"\nparallel = 2\ncache_type_k = "q8_0"\n'


def placement(**shape):
    return place(resolve(config(TEXT), {"file:a.gguf": facts("a.gguf", **shape)})).placements[0]


def value(words, option):
    return words[words.index(option) + 1]


def test_llama_bench_measures_with_the_plan_s_settings():
    words = llama_bench(placement(), RECIPES["single"], "llama-bench")
    assert value(words, "--cache-type-k") == "q8_0"
    assert value(words, "--n-gpu-layers") == "-1"
    assert value(words, "--model") == "/home/llm/models/a.gguf"


def test_depths_beyond_one_request_s_context_are_left_out():
    words = llama_bench(placement(), RECIPES["depth"], "llama-bench")
    assert value(words, "--n-depth") == "0"


def test_no_more_connections_than_twice_the_slots():
    assert list(connections(placement(), RECIPES["batched"])) == [1, 2, 4]


@pytest.mark.reader("llama-server")
def test_real_llama_bench_takes_every_option(tmp_path):
    model = write_llama(tmp_path / "a.gguf")
    made = placement()
    made = structs.replace(
        made, model=structs.replace(made.model, path=PurePosixPath(model)),
        settings=structs.replace(made.settings, devices=(), cache_type_k="f16"),
    )  # fmt: skip
    quick = structs.replace(RECIPES["single"], prompts=(8,), answers=(2,), repetitions=1)
    program = readers.find("llama-server").with_name("llama-bench")
    done = subprocess.run(
        llama_bench(made, quick, str(program)), capture_output=True, text=True, check=True
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["n_prompt"], row["n_gen"]) for row in rows] == [(8, 0), (0, 2)]


@pytest.mark.reader("llama-server")
def test_real_server_under_load(tmp_path):
    port = free_port()
    argv = [readers.find("llama-server"), "-m", write_llama(tmp_path / "a.gguf"), "-c", "2048",
            "-np", "2", "--port", port, "--fit", "off"]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with running(argv, ready=f"{url}/health", log=tmp_path / "log"):
        found = load(f"{url}/v1", "a", prompt_tokens=8, answer_tokens=4, connections=2)
        assert [item.completion_tokens for item in found.answers] == [4, 4]
        assert all(0 < item.first_seconds <= item.total_seconds for item in found.answers)


def test_nobody_listens():
    with pytest.raises(InputError):
        chat(f"http://127.0.0.1:{free_port()}/v1", "a", 8, 4)
