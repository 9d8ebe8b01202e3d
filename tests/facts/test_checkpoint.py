"""Checkpoints of safetensors: read from folders and the Hub, hostile ones refused by what is wrong."""

import json
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from byte_source import Bytes
from fake_hub import FakeFile, FakeRepo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors_writer import header, write_checkpoint

from llmgen.errors import InputError
from llmgen.facts.checkpoint import describe_checkpoint, weight_files
from llmgen.facts.digest import RunningDigest
from llmgen.facts.hub import Hub
from llmgen.facts.lock import Entry, Lock, parse_lock, render_lock
from llmgen.facts.lock_model import Run
from llmgen.facts.lock_models import lock_models
from llmgen.facts.pull import Presence, pull
from llmgen.facts.safetensors import read_tensors, tensor_bytes
from llmgen.facts.sources import Sources, resolve_reference

CONFIG = {
    "model_type": "qwen3",
    "architectures": ["Qwen3ForCausalLM"],
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "torch_dtype": "bfloat16",
    "quantization_config": {
        "quant_method": "fp8",
        "weight_block_size": [128, 128],
        "kv_cache_scheme": {"type": "float", "num_bits": 8},
        "modules_to_not_convert": ["lm_head"],
    },
}
TENSORS = {
    "model.embed_tokens.weight": ("BF16", (100, 64)),
    **{
        f"model.layers.{n}.mlp.experts.{e}.w1.weight": ("F8_E4M3", (32, 64))
        for n in (0, 1)
        for e in range(4)
    },
    **{f"model.layers.{n}.input_layernorm.weight": ("BF16", (64,)) for n in (0, 1)},
    "lm_head.weight": ("BF16", (100, 64)),
}


def codes(caught):
    return [item.code for item in caught.value.diagnostics]


def sources(tmp_path, **more):
    return Sources(tmp_path, Path("/home/nobody"), **more)


@pytest.mark.parametrize("shards", [1, 3])
def test_folder_is_read_whole(tmp_path, shards):
    write_checkpoint(tmp_path / "m", TENSORS, CONFIG, shards)
    (tmp_path / "m" / "tokenizer.json").write_text("{}")
    (tmp_path / "m" / "modeling.py").write_text("raise SystemExit")
    facts = resolve_reference("folder:m", sources(tmp_path)).facts
    rows = {(item.pattern, item.type, item.shape, item.layers, item.each) for item in facts.tensors}
    assert rows == {
        ("lm_head.weight", "BF16", (100, 64), (), 1),
        ("model.embed_tokens.weight", "BF16", (100, 64), (), 1),
        ("model.layers.#.input_layernorm.weight", "BF16", (64,), (0, 1), 1),
        ("model.layers.#.mlp.experts.*.w1.weight", "F8_E4M3", (32, 64), (0, 1), 4),
    }
    assert facts.bytes_stored == 2 * 100 * 64 * 2 + 2 * 64 * 2 + 8 * 32 * 64
    assert facts.config["quantization_config.kv_cache_scheme"] == "float8"
    assert facts.config["quantization_config.weight_block_size"] == (128, 128)
    assert "quantization_config.modules_to_not_convert" not in facts.config
    names = {file.name for file in facts.files}
    assert {"m/config.json", "m/tokenizer.json"} <= names
    assert "m/modeling.py" not in names


def test_lock_reads_what_it_wrote(tmp_path):
    write_checkpoint(tmp_path / "m", TENSORS, CONFIG, 2)
    entry = resolve_reference("folder:m", sources(tmp_path))
    run = Run(
        "0" * 64, "2026-11-28", "vllm 0.33.0", {"host": 5, "gpu0": 7}, {"gpu0": "NVIDIA H100"}
    )
    lock = Lock({"folder:m": entry}, {"m": run})
    assert parse_lock(render_lock(lock), "llm.lock") == lock
    assert lock.facts == {}
    assert set(lock.checkpoints) == {"folder:m"}


def test_hub_is_read_by_ranges_and_pulled(tmp_path, hub):
    write_checkpoint(tmp_path / "there", TENSORS, CONFIG, 2)
    files = {
        item.name: FakeFile(item.read_bytes(), lfs=item.suffix == ".safetensors")
        for item in (tmp_path / "there").iterdir()
    }
    large, _ = header({"big": ("F32", (1024, 1024, 8))})
    files["other.bin"] = FakeFile(large)
    hub.repos["org/model"] = FakeRepo(files)
    here = sources(tmp_path, hub=Hub(hub.url))
    result = lock_models(["repo:org/model"], here, Lock())
    entry = result.lock.entries["repo:org/model"]
    assert entry.revision == "a1" * 20
    folder = resolve_reference("folder:there", here).facts
    assert (entry.facts.tensors, entry.facts.config) == (folder.tensors, folder.config)
    assert entry.facts.header_sha256 == folder.header_sha256
    assert parse_lock(render_lock(result.lock), "llm.lock") == result.lock
    pulled = pull(result.lock.entries, here, lambda verb, file: lambda done, size: None)
    assert {item.presence for item in pulled} == {Presence.DOWNLOADED}
    assert (tmp_path / "org/model/config.json").read_text() == json.dumps(CONFIG)
    again = lock_models(["repo:org/model"], here, result.lock)
    assert again.lock == result.lock


def raw(document, data=b""):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return struct.pack("<Q", len(text)) + text + data


def one(**changes):
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


TWO = {
    "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
}
HOLE = {**TWO, "b": {"dtype": "F32", "shape": [1], "data_offsets": [12, 16]}}
HOSTILE = {
    "huge length": (struct.pack("<Q", 2**63), "facts.not-safetensors", "claims a header of"),
    "longer than the file": (
        struct.pack("<Q", 4096) + b"{}",
        "facts.truncated",
        "ends at 10 bytes",
    ),
    "empty file": (b"", "facts.truncated", "ends at 0 bytes"),
    "no object": (raw([1]), "facts.not-safetensors", "is no safetensors file"),
    "no json": (raw(b"{nope"), "facts.json", "is no JSON"),
    "deep": (raw(b'{"a":' + b"[" * 200_000), "facts.json", "nested too deeply"),
    "twice": (raw(b'{"a":1,"a":2}'), "facts.json", "twice"),
    "infinite": (raw(b'{"a":Infinity}'), "facts.json", "no number"),
    "not utf-8": (raw(b'{"a\xff":1}'), "facts.json", "is no JSON"),
    "overlap": (raw(TWO, bytes(12)), "facts.safetensors", "over another's data"),
    "hole": (raw(HOLE, bytes(16)), "facts.safetensors", "behind a hole"),
    "unknown type": (raw(one(dtype="Q4_K"), bytes(8)), "facts.safetensors", "unknown type `Q4_K`"),
    "type is a list": (raw(one(dtype=[]), bytes(8)), "facts.safetensors", "without dtype"),
    "negative": (raw(one(shape=[-2]), bytes(8)), "facts.safetensors", "impossible shape"),
    "bool": (raw(one(shape=[True]), bytes(8)), "facts.safetensors", "impossible shape"),
    "float": (raw(one(shape=[2.0]), bytes(8)), "facts.safetensors", "impossible shape"),
    "product": (raw(one(shape=[2**40, 2**40]), bytes(8)), "facts.safetensors", "impossible shape"),
    "dimensions": (raw(one(shape=[1] * 99), bytes(8)), "facts.safetensors", "impossible shape"),
    "size": (raw(one(shape=[3]), bytes(8)), "facts.safetensors", "its shape needs 12"),
    "half a byte": (raw(one(dtype="F4", shape=[3]), bytes(8)), "facts.safetensors", "last byte"),
    "more data": (raw(one(), bytes(9)), "facts.truncated", "describes"),
    "less data": (raw(one(), bytes(7)), "facts.truncated", "describes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_header_is_refused(name):
    data, code, said = HOSTILE[name]
    with pytest.raises(InputError) as caught:
        read_tensors(Bytes(data, "m/model.safetensors"), RunningDigest())
    assert codes(caught) == [code]
    assert said in caught.value.diagnostics[0].message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)
ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "BF16", "F4", "x"]) | JSON,
        "shape": st.lists(st.integers(-2, 9) | JSON, max_size=3) | JSON,
        "data_offsets": st.lists(st.integers(-1, 99) | JSON, min_size=1, max_size=3) | JSON,
    }
)


@pytest.mark.thorough
@given(st.dictionaries(st.text(max_size=3), ENTRIES | JSON, max_size=4), st.binary(max_size=40))
@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
def test_any_header_is_read_or_refused(document, data):
    with suppress(InputError):
        tensors = read_tensors(Bytes(raw(document, data), "m"), RunningDigest())
        assert sum(tensor_bytes(item.type, item.shape) for item in tensors) == len(data)


@given(st.binary(max_size=60))
@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
def test_any_bytes_are_read_or_refused(data):
    with suppress(InputError):
        read_tensors(Bytes(data, "m"), RunningDigest())


@pytest.mark.thorough
@given(JSON, JSON)
@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
def test_any_configuration_is_read_or_refused(document, index):
    with suppress(InputError):
        describe_checkpoint("m", document, [], [], "")
    with suppress(InputError):
        weight_files("m", ["model.safetensors", "config.json"], index)


def test_huge_length_reads_nothing_more():
    source = Bytes(struct.pack("<Q", 90_000_000) + bytes(100), "m", size=2**40)
    with pytest.raises(InputError):
        read_tensors(source, RunningDigest())
    assert source.bytes_read < 2**28


def folder_of(tmp_path, **files):
    (tmp_path / "m").mkdir()
    for name, content in files.items():
        (tmp_path / "m" / name).write_text(
            content if isinstance(content, str) else json.dumps(content)
        )
    return tmp_path


INDEX = "model.safetensors.index.json"
WRONG_FOLDERS = {
    "no config": ({}, "facts.no-config"),
    "config is a list": ({"config.json": []}, "facts.no-weights"),
    "no weights": ({"config.json": CONFIG}, "facts.no-weights"),
    "two weights": (
        {"config.json": CONFIG, "a.safetensors": "", "b.safetensors": ""},
        "facts.no-weights",
    ),
    "index without map": ({"config.json": CONFIG, INDEX: {}}, "facts.index"),
    "index is a list": ({"config.json": CONFIG, INDEX: []}, "facts.index"),
    "index leaves": (
        {"config.json": CONFIG, INDEX: {"weight_map": {"a": "../x.safetensors"}}},
        "facts.index",
    ),
    "index absolute": (
        {"config.json": CONFIG, INDEX: {"weight_map": {"a": "/x.safetensors"}}},
        "facts.index",
    ),
    "index of a number": ({"config.json": CONFIG, INDEX: {"weight_map": {"a": 3}}}, "facts.index"),
    "shard missing": (
        {"config.json": CONFIG, INDEX: {"weight_map": {"a": "x.safetensors"}}},
        "facts.shard-missing",
    ),
}


@pytest.mark.parametrize("name", WRONG_FOLDERS)
def test_wrong_folder_is_refused(tmp_path, name):
    files, code = WRONG_FOLDERS[name]
    folder_of(tmp_path, **files)
    with pytest.raises(InputError) as caught:
        resolve_reference("folder:m", sources(tmp_path))
    assert codes(caught) == [code]


def test_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        resolve_reference("folder:m", sources(tmp_path))
    assert codes(caught) == ["facts.missing"]


def test_index_that_places_a_tensor_elsewhere_is_refused(tmp_path):
    folder = write_checkpoint(tmp_path / "m", TENSORS, CONFIG, 2)
    index = json.loads((folder / INDEX).read_text())
    first, second = sorted(set(index["weight_map"].values()))
    index["weight_map"]["lm_head.weight"] = (
        first if index["weight_map"]["lm_head.weight"] == second else second
    )
    (folder / INDEX).write_text(json.dumps(index))
    with pytest.raises(InputError) as caught:
        resolve_reference("folder:m", sources(tmp_path))
    assert codes(caught) == ["facts.index"]


def test_config_without_model_type_is_refused(tmp_path):
    write_checkpoint(tmp_path / "m", TENSORS, {"hidden_size": 4})
    with pytest.raises(InputError) as caught:
        resolve_reference("folder:m", sources(tmp_path))
    assert codes(caught) == ["facts.no-architecture"]


def locked(tmp_path):
    write_checkpoint(tmp_path / "m", TENSORS, CONFIG)
    entry = resolve_reference("folder:m", sources(tmp_path))
    run = Run("0" * 64, "2026-11-28", "vllm", {"host": 5})
    return json.loads(render_lock(Lock({"folder:m": entry}, {"m": run})))


WRONG_LOCKS = {
    "shape": lambda lock: lock["models"]["folder:m"]["tensors"][0].__setitem__(2, [-1]),
    "type": lambda lock: lock["models"]["folder:m"]["tensors"][0].__setitem__(1, "q4_K"),
    "layers": lambda lock: lock["models"]["folder:m"]["tensors"][0].append("0-3"),
    "each": lambda lock: lock["models"]["folder:m"]["tensors"][3].__setitem__(4, 0),
    "config": lambda lock: lock["models"]["folder:m"].__setitem__("config", []),
    "revision": lambda lock: lock["models"]["folder:m"].__setitem__("revision", "a" * 40),
    "file": lambda lock: lock["models"]["folder:m"]["files"][0].__setitem__(0, "n/config.json"),
    "file below": lambda lock: lock["models"]["folder:m"]["files"][0].__setitem__(0, "m/a/b.json"),
    "file above": lambda lock: lock["models"]["folder:m"]["files"][0].__setitem__(0, "m/.."),
    "unknown": lambda lock: lock["models"]["folder:m"].__setitem__("vocabulary", 1),
    "run": lambda lock: lock["runs"]["m"].__setitem__("peak_bytes", {"host": -1}),
    "date": lambda lock: lock["runs"]["m"].__setitem__("date", "yesterday"),
    "program": lambda lock: lock["runs"]["m"].__setitem__("program", "a\nb"),
}


@pytest.mark.parametrize("name", WRONG_LOCKS)
def test_damaged_lock_is_refused(tmp_path, name):
    document = locked(tmp_path)
    parse_lock(json.dumps(document), "llm.lock")
    WRONG_LOCKS[name](document)
    with pytest.raises(InputError) as caught:
        parse_lock(json.dumps(document), "llm.lock")
    assert codes(caught) == ["lock.value"]


def test_measured_runs_survive_another_lock(tmp_path):
    write_checkpoint(tmp_path / "m", TENSORS, CONFIG)
    here = sources(tmp_path)
    run = Run("0" * 64, "2026-11-28", "vllm", {"host": 5})
    lock = Lock({"folder:m": Entry(resolve_reference("folder:m", here).facts)}, {"m": run})
    assert lock_models(["folder:m"], here, lock).lock.runs == {"m": run}
