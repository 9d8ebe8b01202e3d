"""Speed that memory allows: bytes for each token, device by device, over their bandwidths."""

import json

import pytest
from click.testing import CliRunner
from making import config, facts
from msgspec.structs import replace

from llmgen.budget.memory import HOST
from llmgen.budget.reading import reading
from llmgen.cli.boundary import root
from llmgen.facts.gguf_facts import TensorGroup
from llmgen.facts.lock import Entry, Lock, write_lock
from llmgen.plan.expect import expected
from llmgen.plan.place import place
from llmgen.resolve import resolve

HEAD = """
edition = 1
[hardware]
os = "linux"
backend = "cuda"
memory = "32GiB"
reserve = "2GiB"
memory_bandwidth = "50GB"
devices = [{ memory = "24GiB", bandwidth = "1000GB" }, { memory = "24GiB", bandwidth = "500GB" }]
[paths]
home = "/home/llm"
[models.a]
model = "a.gguf"
ctx_size = 4096
"""


def planned(text="", head=HEAD, lock=None):
    lock = lock or facts("a.gguf")
    return place(resolve(config(text, head=head), {"file:a.gguf": lock}))


def test_times_of_devices_add_up():
    plan = planned("tensor_split = [3, 2]\n")
    (found,) = expected(plan)
    (item,) = plan.placements
    read = reading(item.model.facts, item.settings, plan.library.build).weights
    seconds = read["gpu0"] / 1e12 + read["gpu1"] / 5e11 + read[HOST] / 5e10
    assert found.empty_per_second == pytest.approx(1 / seconds)
    assert found.full_per_second < found.empty_per_second


def test_a_token_reads_every_weight_but_the_embedding_once():
    plan = planned('device = ["gpu0"]\n')
    (item,) = plan.placements
    found = reading(item.model.facts, item.settings, plan.library.build)
    tensors = item.model.facts.tensors
    embedding = sum(g.bytes_total for g in tensors if g.pattern == "token_embd.weight")
    (gpu0,) = (memory for memory in item.estimate.memory if memory.device == "gpu0")
    assert found.weights["gpu0"] == gpu0.model
    assert sum(found.weights.values()) == pytest.approx(
        sum(g.bytes_total for g in tensors) - embedding, rel=1e-3
    )
    assert found.cache["gpu0"] == gpu0.context


def test_of_experts_a_token_reads_those_that_it_uses():
    plain = facts("a.gguf")
    layers = tuple(range(4))
    experts = tuple(
        TensorGroup(f"blk.#.ffn_{name}_exps.weight", "f16", shape, layers, 2 * 256 * 512 * 8)
        for name, shape in (("up", (256, 512, 8)), ("gate", (256, 512, 8)), ("down", (512, 256, 8)))
    )
    router = TensorGroup("blk.#.ffn_gate_inp.weight", "f32", (256, 8), layers, 4 * 256 * 8)
    own = tuple(group for group in plain.tensors if ".ffn_" not in group.pattern)
    header = {**plain.hyperparameters, "expert_count": 8, "expert_used_count": 2}
    mixed = replace(plain, tensors=(*own, *experts, router), hyperparameters=header)
    plan = planned('device = ["gpu0"]\n', lock=mixed)
    (item,) = plan.placements
    (gpu0,) = (memory for memory in item.estimate.memory if memory.device == "gpu0")
    whole = sum(group.bytes_total for group in experts)
    found = reading(mixed, item.settings, plan.library.build)
    assert found.weights["gpu0"] == gpu0.model - whole * 6 // 8


def test_an_unknown_bandwidth_is_named_and_nothing_guessed():
    (found,) = expected(planned(head=HEAD.replace(', bandwidth = "500GB"', "")))
    assert found.unknown == ("gpu1",)
    assert found.empty_per_second == found.full_per_second == 0


def test_what_bench_measured_stands_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "llm.toml").write_text(HEAD)
    write_lock(tmp_path / "llm.lock", Lock({"file:a.gguf": Entry(facts("a.gguf"))}))
    row = {"plan": "x", "model": "a", "recipe": "single"}
    measured = {"n_prompt": 0, "n_gen": 128, "n_depth": 0, "avg_ts": 42.5}
    (tmp_path / "bench.jsonl").write_text(json.dumps(row | {"llama_bench": measured}) + "\n")
    done = CliRunner().invoke(root, ["show", "--expect"])
    assert done.exit_code == 0, done.output
    assert "42.5" in done.stdout
    data = json.loads(CliRunner().invoke(root, ["show", "--expect", "--json"]).stdout)["data"]
    assert data["expected"][0]["measured"] == 42.5
