"""What backends take beside the graph: terms of a process, and of the operations of its model."""

from typing import get_args

import pytest

from llmgen.budget.beside.backend import BACKENDS, backend, backend_overhead, temporaries
from llmgen.budget.beside.cuda import cuda_temporaries, rocm_temporaries
from llmgen.budget.beside.metal import metal_temporaries
from llmgen.budget.beside.vulkan import vulkan_temporaries
from llmgen.budget.estimate import estimate
from llmgen.budget.schedule.operations import Operand, Operation
from llmgen.budget.settings import ServerSettings
from llmgen.config.tables.hardware import Backend
from llmgen.facts.gguf_facts import GgufFacts, TensorGroup
from llmgen.units import MIB

# Llama 3.1 8B: 8 heads of K and V of 128, 4096 wide, 14336 in its feed-forward.
CELLS, TOKENS = 131072, 512
NAMES = ("gpu0", "host")
LAYER = {
    "attn_norm": (4096,),
    "ffn_norm": (4096,),
    "attn_q": (4096, 4096),
    "attn_k": (4096, 1024),
    "attn_v": (4096, 1024),
    "attn_output": (4096, 4096),
    "ffn_gate": (4096, 14336),
    "ffn_up": (4096, 14336),
    "ffn_down": (14336, 4096),
}
OUTSIDE = {
    "token_embd.weight": (4096, 128256),
    "output.weight": (4096, 128256),
    "output_norm.weight": (4096,),
}


def attention(kind="q8_0", *, shared=False, width=128, heads=8):
    query = Operand("f32", (width, TOKENS, 32, 1))
    cache = Operand(kind, (width, CELLS, heads, 1))
    mask = Operand("f16", (CELLS, TOKENS, 1, 1))
    ne = (width, 32, TOKENS, 1)
    return Operation("FLASH_ATTN_EXT", 0, (query, cache, cache, mask), ne, shared)


def product(kind, *, precise=False, weight=1, backend=0):
    matrix = Operand(kind, (4096, 14336, 1, 1), weight)
    by = Operand("f32", (4096, TOKENS, 1, 1))
    return Operation("MUL_MAT", backend, (matrix, by), (14336, TOKENS, 1, 1), precise=precise)


def experts(kind):
    matrices, by = Operand(kind, (2048, 768, 128, 1), 1), Operand("f32", (2048, 1, TOKENS, 1))
    which = Operand("i32", (8, TOKENS, 1, 1))
    return Operation("MUL_MAT_ID", 0, (matrices, by, which), (768, 8, TOKENS, 1))


def taken(rule, *operations):
    return {item.what: item.bytes for item in rule(operations) if item.bytes}


def llama(matrices="q4_K", layers=4):
    """The first layers of Llama 3.1 8B."""
    header = {
        "block_count": layers,
        "embedding_length": 4096,
        "feed_forward_length": 14336,
        "context_length": CELLS,
        "attention.head_count": 32,
        "attention.head_count_kv": 8,
    }
    bytes_of = {"q4_K": lambda n: n // 256 * 144, "f16": lambda n: 2 * n, "f32": lambda n: 4 * n}

    def group(name, ne, of):
        kind = matrices if len(ne) > 1 else "f32"
        elements = ne[0] * (ne[1] if len(ne) > 1 else 1)
        return TensorGroup(name, kind, ne, of, bytes_of[kind](elements))

    groups = [group(name, ne, ()) for name, ne in OUTSIDE.items()]
    every = tuple(range(layers))
    groups += [group(f"blk.#.{name}.weight", ne, every) for name, ne in LAYER.items()]
    return GgufFacts("llama", header, 128256, tuple(groups), ())


def beside(name="cuda", model=None, **settings):
    """What a server takes of gpu0 beside its graph, by what it is."""
    asked = ServerSettings(**{"ctx_size": CELLS, "parallel": 1, **settings})
    made = estimate(model or llama(), asked, backends=dict.fromkeys(asked.devices, name))
    parts = ([*what.split(": ", 1), size] for device, what, size in made.parts if device == "gpu0")
    return {
        what: size
        for kind, what, size in parts
        if kind == "temporaries" or (kind == "compute" and what != "the graph of one micro-batch")
    }


def test_every_backend_has_terms_with_their_sources():
    assert set(BACKENDS) >= set(get_args(Backend)) - {"auto"}
    for found in BACKENDS.values():
        assert found.context.source
        assert found.workspace.source
        assert found.own == found.context.bytes + found.workspace.bytes


def test_a_backend_that_is_not_known_is_like_cuda():
    assert backend("sycl") is backend("cuda")
    assert backend_overhead("sycl") == backend_overhead("cuda") > 0


def test_a_cpu_takes_nothing():
    assert backend_overhead("cpu") == 0
    assert [*temporaries({"gpu0": "cpu"}, [attention(), product("q4_K")], NAMES)] == []


def test_a_quantised_cache_is_copied_for_attention():
    layer = 2 * 2 * 128 * 8 * CELLS
    assert taken(cuda_temporaries, attention())["K and V of a layer in f16"] == layer == 512 * MIB
    assert "K and V of a layer in f16" not in taken(cuda_temporaries, attention("f16"))
    assert taken(rocm_temporaries, attention())["K and V of a layer in f16"] == layer


def test_v_that_is_a_part_of_k_is_copied_with_it():
    whole = taken(cuda_temporaries, attention(width=576, heads=1))
    part = taken(cuda_temporaries, attention(width=576, heads=1, shared=True))
    what = "K and V of a layer in f16"
    assert whole[what] == 2 * part[what] == 2 * 2 * 576 * CELLS


def test_columns_of_quantised_matrices_are_q8_1():
    (size,) = taken(cuda_temporaries, product("q4_K")).values()
    columns, tiles = (TOKENS * 4096 // 128 + 128) * 144, 192 * 128 * 128 * 4
    assert size == -(-(columns + tiles) // (2 * MIB)) * 2 * MIB


def test_other_matrices_have_both_operands_converted():
    (f16,) = taken(cuda_temporaries, product("f16")).values()
    assert f16 == 2 * TOKENS * (4096 + 14336)
    (unpacked,) = taken(cuda_temporaries, product("iq1_m")).values()
    assert unpacked >= f16 + 2 * 4096 * 14336
    assert taken(cuda_temporaries, product("f32")) == {}


def test_products_in_f32_have_the_whole_cache_in_f32():
    (size,) = taken(cuda_temporaries, product("f16", precise=True)).values()
    assert size == 4 * 4096 * 14336


@pytest.mark.parametrize("kind", ["q4_K", "f16", "iq1_m"])
def test_each_expert_has_its_columns(kind):
    (size,) = taken(cuda_temporaries, experts(kind)).values()
    assert size > 8 * TOKENS * 2048


def test_the_pool_is_as_large_as_what_takes_most():
    alone = taken(cuda_temporaries, product("f16"))
    assert taken(cuda_temporaries, product("f16"), experts("q4_K"), attention("f16")) != {}
    assert taken(cuda_temporaries, product("f16"), product("f32")) == alone


def test_what_is_not_mapped_is_kept_in_every_size():
    (size,) = taken(rocm_temporaries, product("f16")).values()
    assert size == pytest.approx(2.1 * 2 * TOKENS * (4096 + 14336), rel=0.001)


def test_long_rows_are_sorted_in_parts():
    scores = Operand("f32", (CELLS, TOKENS, 1, 1))
    short = Operation("ARGSORT", 0, (Operand("f32", (128, TOKENS, 1, 1)),), (128, TOKENS, 1, 1))
    best = Operation("TOP_K", 0, (scores,), (2048, TOKENS, 1, 1))
    assert taken(cuda_temporaries, short) == {}
    assert taken(cuda_temporaries, best) == {"rows that are sorted": 5 * 64 * MIB}


def test_scans_of_one_channel_have_no_chunks():
    def scan(width):
        x = Operand("f32", (width, 64, TOKENS, 1))
        state, row = Operand("f32", (128, width, 64, 1)), Operand("f32", (128, 8, TOKENS, 1))
        return Operation("SSM_SCAN", 0, (state, x, row, row, row, row), (1, 1, 1, 1))

    assert taken(cuda_temporaries, scan(1)) == {}
    assert taken(cuda_temporaries, scan(64))["chunks of a scan"] > 6 * 128 * 256 * 64


def test_vulkan_has_three_buffers():
    found = taken(vulkan_temporaries, attention(), product("q4_K"))
    assert found["X: a matrix, or K and V of a layer, in f16"] == 512 * MIB
    assert found["Y: columns of a product"] == 2 * 4096 * TOKENS
    assert found["partial sums"] == 2 * 192 * 128 * 128 * 4


def test_vulkan_reads_an_f16_cache_as_it_is():
    assert "X: a matrix, or K and V of a layer, in f16" not in taken(
        vulkan_temporaries, attention("f16"), product("q4_K")
    )


def test_metal_has_room_for_copies_of_any_cache():
    f16, q8 = (taken(metal_temporaries, attention(kind)) for kind in ("f16", "q8_0"))
    assert f16 == q8
    assert 512 * MIB < f16["K and V of a layer in f16"] < 540 * MIB


def test_weights_of_the_host_are_copied_to_the_first_device_for_prompts():
    far = product("q4_K", weight=5000, backend=1)
    what = "weights of the host, copied for prompts"
    found = {item.what: item.bytes for _, item in temporaries({"gpu0": "cuda"}, [far], NAMES)}
    assert found[what] == 2 * 5000
    assert [*temporaries({"gpu0": "rpc"}, [far], NAMES)] == []


@pytest.mark.parametrize("name", ["cuda", "rocm", "vulkan", "metal"])
def test_a_quantised_cache_of_a_server_needs_more_with_its_context(name):
    asked = {"cache_type_k": "q8_0", "cache_type_v": "q8_0"}
    long, short = (sum(beside(name, **asked, ctx_size=size).values()) for size in (CELLS, 4096))
    assert long - short > 0.9 * 2 * 2 * 128 * 8 * (CELLS - 4096)


@pytest.mark.parametrize("name", ["cuda", "metal"])
def test_what_lies_behind_a_result_is_a_part_of_the_compute_buffer(name):
    asked = ServerSettings(ctx_size=CELLS, parallel=1, cache_type_k="q8_0", cache_type_v="q8_0")
    alone, made = (estimate(llama(), asked, backends=each) for each in ({}, {"gpu0": name}))
    more = beside(name, cache_type_k="q8_0", cache_type_v="q8_0")["K and V of a layer in f16"]
    assert made.memory[1].compute - alone.memory[1].compute == more
    assert made.temporaries.get("gpu0", 0) < more


def test_an_f16_cache_of_a_server_is_read_as_it_is():
    assert beside(ctx_size=CELLS) == beside(ctx_size=4096)


def test_layers_of_the_host_have_their_largest_weight_copied():
    what = "weights of the host, copied for prompts"
    assert beside(n_gpu_layers=2)[what] == 2 * 4096 * 14336 // 256 * 144
    assert what not in beside()


def test_without_flash_attention_the_keys_of_a_layer_are_f32():
    found = beside(flash_attn="off", ctx_size=32768)
    assert max(found.values()) >= 4 * 128 * 8 * 32768


def test_two_devices_have_their_own():
    asked = ServerSettings(ctx_size=4096, parallel=1, devices=("gpu0", "gpu1"))
    made = estimate(llama(), asked, backends={"gpu0": "cuda", "gpu1": "cpu"})
    assert set(made.temporaries) == {"gpu0"}
