"""What one token reads: weights, of experts those that it uses, and what is filled of the cache."""

import making
import pytest
from making_facts import facts, group, llama
from msgspec.structs import replace

from llmgen.budget.reading import reading
from llmgen.budget.settings import ServerSettings

SETTINGS = ServerSettings(ctx_size=4096, parallel=1)
# Two heads of 64 elements in f16, K and V, four layers.
CELL = 4 * 2 * 2 * 64 * 2


def read(model=None, **settings):
    return reading(model or making.facts(), replace(SETTINGS, **settings))


def test_every_weight_but_the_embedding_is_read():
    plain = making.facts()
    others = sum(item.bytes_total for item in plain.tensors if "token_embd" not in item.pattern)
    assert read().weights == {"host": 0, "gpu0": others}


def test_a_context_that_is_full_is_read_once():
    assert read().cache == {"gpu0": 4096 * CELL}


@pytest.mark.parametrize("slots", [2, 4])
def test_a_slot_reads_its_own_share(slots):
    assert read(parallel=slots).cache == {"gpu0": 4096 // slots * CELL}
    assert read(parallel=slots, kv_unified=True).cache == {"gpu0": 4096 * CELL}


def test_a_cache_on_the_host_is_read_there():
    assert read(kv_offload=False).cache == {"host": 4096 * CELL}


@pytest.mark.parametrize(("used", "part"), [(2, 0.25), (4, 0.5), (8, 1)])
def test_of_experts_those_are_read_that_a_token_uses(used, part):
    base = llama(expert_count=8, expert_used_count=used)
    everything = 640_000 + 1024 + 128 + 4 * 100_000
    assert read(base).weights["gpu0"] == everything + int(4 * 64_000 * part)


def test_layers_of_the_host_are_read_there():
    found = read(facts("llama", dict(llama().hyperparameters), 500, (group("blk.#.ffn_up.weight", 1024, 4),)),
                 n_gpu_layers=3)  # fmt: skip
    assert found.weights == {"host": 2048, "gpu0": 2048}
