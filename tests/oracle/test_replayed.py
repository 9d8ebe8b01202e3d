"""Compute buffers by replay."""

import pytest
from msgspec.structs import replace

from llmgen.budget.builds import NEWEST
from llmgen.budget.compute import peaks
from llmgen.budget.compute.buffers import compute_buffers
from llmgen.budget.context import context
from llmgen.budget.estimate import estimate
from llmgen.budget.graph.recipes import RECIPES
from llmgen.budget.margin import GUESSED
from llmgen.budget.settings import ServerSettings
from llmgen.budget.shape.architectures import ARCHITECTURES
from llmgen.facts.gguf_facts import GgufFacts
from oracle.comparison import all_facts

SETTINGS = ServerSettings(ctx_size=8192, parallel=2)
MODELS = (
    *("llama-3.1-8b", "qwen3-30b-a3b", "gemma-3-12b", "gpt-oss-20b"),
    *("lfm2-1.2b", "qwen3.5-35b-a3b", "nemotron-3-nano-30b"),
    *("gemma-3n-e4b", "gemma-4-e4b", "deepseek-v3.2"),
)
SEVERAL = ({}, {"devices": ("gpu0", "gpu1")}, {"n_cpu_moe": 5}, {"kv_offload": False})


@pytest.mark.sample(3)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("settings", SEVERAL)
def test_layers_that_are_left_out_change_nothing(model, settings, monkeypatch):
    ground = context(all_facts()[model], replace(SETTINGS, **settings)).ground
    found = compute_buffers(ground)
    monkeypatch.setattr(peaks, "_TRIES", ((10**6, 1),))
    every = compute_buffers(ground)
    assert found == every


@pytest.mark.parametrize(
    ("model", "split"),
    [
        ("gemma-3n-e4b", (1, 19, 9, 7)),
        ("gemma-3n-e4b", (1, 6, 17, 12)),
        ("gemma-4-e4b", (2, 25, 16)),
        ("gemma-3-12b", (7, 21, 4, 17)),
        ("qwen3-30b-a3b", (20, 11, 18)),
    ],
)
def test_layers_that_are_left_out_change_nothing_of_uneven_shares(model, split):
    devices = ("gpu0", "gpu1", "gpu2", "gpu3")[: len(split)]
    settings = replace(SETTINGS, parallel=1, devices=devices, tensor_split=split)
    few, every = (
        estimate(all_facts()[model], settings, explained=explained) for explained in (False, True)
    )
    assert few.memory == every.memory


@pytest.mark.parametrize(
    ("ctx_size", "host", "device"),
    [(6400, 65_981_504, 251_497_472), (6500, 66_243_648, 167_611_392)],  # answers of b11434
)
def test_a_longer_context_may_need_less_on_a_device_with_its_cache_on_the_host(
    ctx_size, host, device
):
    settings = ServerSettings(
        ctx_size=ctx_size, parallel=1, cache_type_k="q8_0", flash_attn="on", kv_offload=False
    )
    made = estimate(all_facts()["granite-4.0-h-small"], settings)
    assert [item.compute for item in made.memory] == [host, device]


@pytest.mark.parametrize("model", MODELS)
def test_tensors_at_the_peak_are_named_as_llama_cpp_names_them_and_add_up(model):
    made = estimate(all_facts()[model], SETTINGS, explained=True)
    compute = [part for part in made.parts if part[1].startswith("compute: ")]
    for item in made.memory:
        assert sum(size for device, _, size in compute if device == item.device) == item.compute
    names = " ".join(what for _, what, _ in compute)
    assert "attn_inp_kq_mask" in names
    # What is largest: logits, a feed-forward, the streams of Gemma 3n, latent queries of all heads.
    assert any(word in names for word in ("result_output", "ffn_", "predictions", "Qcur"))


def test_a_model_that_lacks_a_tensor_of_its_graph_is_not_replayed():
    facts = all_facts()["llama-3.1-8b"]
    few = tuple(group for group in facts.tensors if "attn_q" not in group.pattern)
    made = estimate(replace(facts, tensors=few), SETTINGS)
    assert all(item.compute > 0 for item in made.memory)


def test_a_device_with_the_output_layer_alone_copies_no_inputs():
    settings = replace(SETTINGS, parallel=1, ubatch_size=2048, devices=("gpu0", "gpu1"))
    made = estimate(all_facts()["fixture/grok-moe"], replace(settings, load_mode="none"), 11434)
    assert made.memory[2].compute == 5632  # of the program


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_every_architecture_has_a_graph_by_its_header_alone(name):
    values = all_facts()["fixture/llama-dense"].hyperparameters
    windows = {"attention.sliding_window": 512, "attention.sliding_window_pattern": (1, 0)}
    states = {"wkv.head_size": 32, "shortconv.l_cache": 3, "kda.head_dim": 32}
    header = {**values, **windows, **states}
    made = estimate(GgufFacts(name, header, 128, (), ()), replace(SETTINGS, parallel=1), NEWEST)
    assert all(item.compute > 0 for item in made.memory)


def test_a_graph_that_is_guessed_has_a_wider_margin_and_says_so(monkeypatch):
    facts = all_facts()["fixture/deepseek4-moe"]
    known = estimate(facts, SETTINGS, 11434)
    monkeypatch.delitem(RECIPES, "deepseek4")
    # Nothing is remembered of these tensors.
    other = replace(facts, tensors=tuple(map(replace, facts.tensors)))
    guessed = estimate(other, SETTINGS, 11434)
    assert guessed.margin["gpu0"] >= known.margin["gpu0"] + GUESSED.absolute_bytes // 2
    assert (known.warnings, len(guessed.warnings)) == ((), 1)


def test_every_recipe_is_of_an_architecture_that_llama_cpp_has():
    assert set(RECIPES) <= set(ARCHITECTURES)


@pytest.mark.parametrize(
    ("settings", "memory"),
    [
        ({"ubatch_size": 2048}, {"host": 503455776, "gpu0": 3405897760}),
        ({"parallel": 2, "n_cpu_moe": 61}, {"host": 281102368, "gpu0": 700528640}),
        (
            {"ctx_size": 65536, "parallel": 2, "devices": ("gpu0", "gpu1"), "ubatch_size": 2048},
            {"host": 1661501568, "gpu0": 4354179072, "gpu1": 4043735168},
        ),
        (
            {"ctx_size": 16384, "parallel": 2, "flash_attn": "off"},
            {"host": 83970080, "gpu0": 2839623712},
        ),
        # Fewer cells than the indexer chooses tokens.
        ({"ctx_size": 1024, "n_gpu_layers": 20}, {"host": 515983392, "gpu0": 438380576}),
    ],
)
def test_a_model_with_indexers_has_the_bytes_of_the_program(settings, memory):
    base = replace(SETTINGS, load_mode="none", ctx_size=32768, parallel=1)
    made = estimate(all_facts()["deepseek-v3.2"], replace(base, **settings), 11434)
    assert {item.device: item.compute for item in made.memory} == memory


@pytest.mark.parametrize(
    ("model", "settings", "memory"),
    [
        # Attention of layers between recurrent ones runs beside its cache on the host: not fused,
        # V in rows all the same.
        ("fixture/jamba-dense", {"kv_offload": False}, {"host": 31473728, "gpu0": 8929280}),
        # A hybrid with windows has no matrices that rotate quantized rows.
        (
            "fixture/lfm2-dense",
            {"ctx_size": 20000, "cache_type_k": "q4_0", "cache_type_v": "q4_0"},
            {"host": 2902080, "gpu0": 4470848},
        ),
    ],
)
def test_hybrids_have_the_bytes_of_the_program(model, settings, memory):
    made = estimate(all_facts()[model], replace(SETTINGS, load_mode="none", **settings), 11434)
    assert {item.device: item.compute for item in made.memory} == memory


@pytest.mark.parametrize(
    ("pattern", "memory"),
    [
        # What mixes streams, and what fills them again, would run elsewhere than their layer.
        (r"blk\.[0-2]\.", {"gpu0": 17871008, "host": 14636576}),
        ("hc_", {"gpu0": 12007168, "host": 3089760}),
        ("attn_", {"gpu0": 11765504, "host": 5711200}),
        ("indexer", {"gpu0": 7933568, "host": 9381216}),
        ("ffn_", {"gpu0": 12529280, "host": 4138464}),
    ],
)
def test_streams_in_parts_have_the_bytes_of_the_program(pattern, memory):
    settings = replace(SETTINGS, load_mode="none", ctx_size=4096, ubatch_size=128)
    settings = replace(settings, n_gpu_layers=99, override_tensor=((pattern, "CPU"),))
    made = estimate(all_facts()["fixture/deepseek4-moe"], settings, 11434)
    assert {item.device: item.compute for item in made.memory} == memory


def test_embedding_servers_of_lfm2_have_no_logits():
    settings = replace(SETTINGS, load_mode="none", embedding=True, pooling="last")
    made = estimate(all_facts()["lfm2-1.2b"], settings, 11434)
    assert made.memory[1].compute == 71319616  # of the program; logits would be twice that
