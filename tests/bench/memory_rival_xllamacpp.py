"""xllamacpp's estimator (xllamacpp.memory, after Ollama's): settings on stdin, answers on stdout.

It counts the vocabulary by the token list, which the files lack: it is told the true number.
"""

import importlib.util
import json
import sys
from functools import cache
from pathlib import Path

spec = importlib.util.find_spec("xllamacpp")
loaded = importlib.util.spec_from_file_location(
    "xllamacpp_memory", Path(spec.submodule_search_locations[0]) / "memory.py"
)
memory = importlib.util.module_from_spec(loaded)
sys.modules["xllamacpp_memory"] = memory
loaded.loader.exec_module(memory)

vocabulary = 0
dump = memory.dump_metadata_json


@cache
def dumped(path):
    return dump(reader(path, "r"), path)


def with_tokens(_reader, path):
    data = dumped(path)
    data["metadata"]["tokenizer.ggml.tokens"] = {"value": range(vocabulary)}
    return data


memory.dump_metadata_json = with_tokens
reader, value_types = memory._import_gguf()
memory._import_gguf = lambda: (lambda path, mode: None, value_types)
CARD = [{"name": "CUDA", "memory_free": 2**50, "memory_min": 1}]
for line in sys.stdin:
    s = json.loads(line)
    try:
        if s["k"] != s["v"]:
            raise ValueError("one cache type only")  # noqa: TRY301
        vocabulary = s["vocabulary"]
        tokens = s["context"] or s["trained"]
        caches, _, _ = memory.graph_size(
            with_tokens(None, s["path"])["metadata"], context_length=tokens, batch_size=s["ubatch"],
            num_parallel=s["slots"], kv_cache_type=s["k"],
        )  # fmt: skip
        whole = memory.estimate_gpu_layers(
            CARD, s["path"], [], tokens, s["ubatch"], s["slots"], s["k"]
        )
        print(json.dumps({"context": int(sum(caches)), "total": int(whole.vram_size)}))
    except Exception:
        print("null")
