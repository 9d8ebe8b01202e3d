"""Compute buffers by replay."""

import pytest
from msgspec.structs import replace

from llmgen.budget import buffers
from llmgen.budget.architectures import ARCHITECTURES
from llmgen.budget.contexts import context
from llmgen.budget.estimate import estimate
from llmgen.budget.graph.recipes import RECIPES
from llmgen.budget.model import ServerSettings
from oracle.comparison import all_facts

SETTINGS = ServerSettings(ctx_size=8192, parallel=2)
MODELS = ("llama-3.1-8b", "qwen3-30b-a3b", "gemma-3-12b", "gpt-oss-20b")
SEVERAL = ({}, {"devices": ("gpu0", "gpu1")}, {"n_cpu_moe": 5}, {"kv_offload": False})


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("settings", SEVERAL)
def test_layers_that_are_left_out_change_nothing(model, settings, monkeypatch):
    ground = context(all_facts()[model], replace(SETTINGS, **settings)).ground
    found = buffers.compute_buffers(ground)
    monkeypatch.setattr(buffers, "_FIRST_TRY", 10**6)
    every = buffers.compute_buffers(ground)
    assert {k: v.bytes for k, v in found.items()} == {k: v.bytes for k, v in every.items()}


@pytest.mark.parametrize("model", MODELS)
def test_tensors_at_the_peak_are_named_as_llama_cpp_names_them_and_add_up(model):
    made = estimate(all_facts()[model], SETTINGS, explained=True)
    compute = [part for part in made.parts if part[1].startswith("compute: ")]
    for item in made.memory:
        assert sum(size for device, _, size in compute if device == item.device) == item.compute
    names = " ".join(what for _, what, _ in compute)
    assert "attn_inp_kq_mask" in names
    assert "result_output" in names or "ffn_" in names


def test_a_model_that_lacks_a_tensor_of_its_graph_is_not_replayed():
    facts = all_facts()["llama-3.1-8b"]
    few = tuple(group for group in facts.tensors if "attn_q" not in group.pattern)
    made = estimate(replace(facts, tensors=few), SETTINGS)
    assert all(item.compute > 0 for item in made.memory)


def test_every_recipe_is_of_an_architecture_that_llama_cpp_has():
    assert set(RECIPES) <= set(ARCHITECTURES)
