"""vLLM's and SGLang's weights and caches against published checkpoints, written as bare headers."""

from functools import cache
from math import ceil

import published_checkpoints
import pytest
from safetensors_writer import header, write_checkpoint

from llmgen.facts.checkpoint import describe_checkpoint
from llmgen.facts.checkpoint_sources import read_folder
from llmgen.facts.safetensors import BITS, StoredTensor
from llmgen.reservation.attention import Attention, CacheReach, read_attention
from llmgen.reservation.cache import (
    bytes_per_token,
    cache_bytes,
    sglang_sequence,
    vllm_sequence,
)
from llmgen.reservation.checkpoint import NotComputedError, ReservationSettings, element_bytes
from llmgen.reservation.feasibility import RESERVING, change, examine
from llmgen.reservation.weights import weights
from llmgen.units import GIB

VLLM, SGLANG = RESERVING["vllm"], RESERVING["sglang"]


@cache
def facts(name):
    item = published_checkpoints.BY_NAME[name]
    tensors = tuple(StoredTensor(key, *value) for key, value in item.tensors.items())
    return describe_checkpoint(name, item.config, [("model.safetensors", tensors)], [], "")


# Every header but those of tens of thousands of tensors is also written to a file and read back.
@pytest.mark.parametrize("item", published_checkpoints.ALL, ids=lambda item: item.name)
def test_list_of_tensors_has_the_published_bytes(item, tmp_path):
    found = facts(item.name)
    if len(item.tensors) < 20_000:
        read = read_folder(write_checkpoint(tmp_path / "m", item.tensors, item.config, 3), "m")
        assert (read.tensors, read.config) == (found.tensors, found.config)
    if item.size:
        assert found.bytes_stored == item.size
    elif item.files:
        # Files are their tensors and a header of some hundred bytes for each.
        head = len(header(item.tensors)[0])
        assert found.bytes_stored < item.files < found.bytes_stored + head * 1.1


def padded(words):
    return ceil(words / 64) * 64


def gqa(c, parts, biases=0):
    """Elements of attention on one device: Q and O split, K and V at least one head each."""
    width = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
    query = c["num_attention_heads"] * width // parts
    kv = max(1, c["num_key_value_heads"] // parts) * width
    return (2 * query + 2 * kv) * c["hidden_size"] + biases * (query + 2 * kv)


def words(c, parts, tied=False):
    return (1 if tied else 2) * padded(c["vocab_size"]) // parts * c["hidden_size"]


def dense(c, parts, *, tied=False, norms=2, head_norms=0, biases=0):
    hidden = c["hidden_size"]
    layer = gqa(c, parts, biases) + 3 * hidden * c["intermediate_size"] // parts
    layer += norms * hidden + head_norms
    return 2 * (words(c, parts, tied) + c["num_hidden_layers"] * layer + hidden)


def experts(c, parts, count, inner, *, tied=False, head_norms=0):
    hidden = c["hidden_size"]
    layer = gqa(c, parts) + 3 * count * hidden * inner // parts + count * hidden + 2 * hidden
    return 2 * (words(c, parts, tied) + c["num_hidden_layers"] * (layer + head_norms) + hidden)


def gpt_oss(parts):
    c = published_checkpoints.GPT_OSS
    hidden, inner, count = 2880, 2880, 32
    mine = ceil(inner / parts)
    attention = gqa(c, parts, biases=1) + hidden + 64 // parts
    small = count * (hidden + 1) + count * (2 * mine + hidden) + 2 * hidden
    blocks = count * (2 * mine * hidden + hidden * ceil(inner / 32 / parts) * 32) // 32 * 17
    return 2 * (words(c, parts) + hidden) + 24 * (2 * (attention + small) + blocks)


def latent_attention(c, parts, query_rank):
    """Elements: the projections to the latents whole, those out of them split by heads."""
    hidden, heads = c["hidden_size"], c["num_attention_heads"] // parts
    query = hidden * query_rank + heads * 192 * query_rank if query_rank else heads * 192 * hidden
    return query + hidden * 576 + heads * 256 * 512 + heads * 128 * hidden


def deepseek_lite(parts):
    c = published_checkpoints.DEEPSEEK_LITE
    hidden = c["hidden_size"]
    dense_layer = 3 * hidden * 10944 // parts
    moe_layer = 3 * hidden * 1408 * 66 // parts + 64 * hidden
    each = latent_attention(c, parts, 0) + 512 + 2 * hidden
    return 2 * (words(c, parts) + 27 * each + dense_layer + 26 * moe_layer + hidden)


def deepseek(parts):
    """Blocks of fp8 have a scale of four bytes for 128 x 128; gates and norms stay in bf16."""
    c = published_checkpoints.DEEPSEEK
    hidden = 7168

    def fp8(out, into):
        return out * into + 4 * ceil(out / 128) * ceil(into / 128)

    def inner(size):
        return 2 * fp8(size // parts, hidden) + fp8(hidden, size // parts)

    heads = 128 // parts
    attention = fp8(1536, hidden) + fp8(heads * 192, 1536) + fp8(576, hidden)
    attention += fp8(heads * 256, 512) + fp8(hidden, heads * 128)
    attention += 2 * (1536 + 512 + 2 * hidden)
    moe = 257 * inner(2048) + 256 * hidden * 2 + 256 * 4
    total = 61 * attention + 3 * inner(18432) + 58 * moe
    return total + 2 * (words(c, parts) + hidden)


def gemma3(parts):
    text = dense(
        published_checkpoints.GEMMA3["text_config"], parts, tied=True, norms=4, head_norms=256
    )
    width, inner = 1152, 4304
    layer = 4 * width * width // parts + 3 * width // parts + width  # qkv with biases, output
    layer += 2 * width * inner // parts + inner // parts + width + 4 * width
    tower = width * 3 * 14 * 14 + width + 4096 * width + 2 * width + 27 * layer
    return text + 2 * (tower + width * 5376 + width)


def phi3(parts):
    c = published_checkpoints.PHI3
    hidden, inner = 3072, 8192
    layer = 4 * hidden * hidden // parts + 3 * hidden * inner // parts + 2 * hidden
    return 2 * (words(c, parts) + 32 * layer + hidden)


def packed(parts, *, index):
    """Four bits, a zero point and a scale for 128: of AWQ and GPTQ; GPTQ has an index of groups."""
    c = published_checkpoints.QWEN25
    hidden, inner = 3584, 18944

    def linear(out, into, whole_inputs=True):
        bytes_each = out * into // 2 + into // 128 * out // 2 + into // 128 * out * 2
        return bytes_each + (4 * into if index else 0)

    query, kv = 3584 // parts, max(1, 4 // parts) * 128
    layer = linear(query, hidden) + 2 * linear(kv, hidden) + linear(hidden, query)
    layer += 2 * linear(inner // parts, hidden) + linear(hidden, inner // parts)
    layer += 2 * (query + 2 * kv) + 2 * 2 * hidden
    return 2 * words(c, parts) + 28 * layer + 2 * hidden


# In float32 as stored, half of that as loaded.
QWEN3_FP8_NORMS = 2 * (2 * 2048 + 256)


def qwen3_fp8(parts):
    c = published_checkpoints.QWEN3_MOE

    def fp8(out, into):
        return out * into + 4 * ceil(out / 128) * ceil(into / 128)

    query, kv = 32 // parts * 128, max(1, 4 // parts) * 128
    layer = fp8(query, 2048) + 2 * fp8(kv, 2048) + fp8(2048, query)
    layer += 128 * (2 * fp8(768 // parts, 2048) + fp8(2048, 768 // parts))
    layer += 2 * 128 * 2048 + QWEN3_FP8_NORMS
    return 48 * layer + 2 * (words(c, parts) + 2048)


EXPECTED = {
    "llama-3.1-8b": lambda parts: dense(published_checkpoints.LLAMA, parts),
    "qwen2.5-7b": lambda parts: dense(published_checkpoints.QWEN25, parts, biases=1),
    "qwen3-8b": lambda parts: dense(published_checkpoints.QWEN3, parts, head_norms=256),
    "mistral-7b-v0.1": lambda parts: dense(published_checkpoints.MISTRAL, parts),
    "devstral-small-2507": lambda parts: dense(published_checkpoints.DEVSTRAL, parts),
    "gemma-2b": lambda parts: dense(published_checkpoints.GEMMA, parts, tied=True),
    "gemma-2-9b": lambda parts: dense(published_checkpoints.GEMMA2, parts, tied=True, norms=4),
    "gemma-3-27b": gemma3,
    "mixtral-8x7b": lambda parts: experts(published_checkpoints.MIXTRAL, parts, 8, 14336),
    "mixtral-8x22b": lambda parts: experts(published_checkpoints.WIZARD, parts, 8, 16384),
    "qwen3-30b-a3b": lambda parts: experts(
        published_checkpoints.QWEN3_MOE, parts, 128, 768, head_norms=256
    ),
    "qwen3-30b-a3b-fp8": qwen3_fp8,
    "gpt-oss-20b": gpt_oss,
    "deepseek-v3": deepseek,
    "deepseek-v2-lite": deepseek_lite,
    "granite-3.1-1b-a400m": lambda parts: experts(
        published_checkpoints.GRANITE, parts, 32, 512, tied=True
    ),
    "phi-3-mini-4k": phi3,
    "qwen2.5-7b-awq": lambda parts: packed(parts, index=False),
}
SIZES = {"qwen2.5-7b": (1, 2, 4), "qwen2.5-7b-awq": (1, 2, 4)}


@pytest.mark.parametrize(
    ("name", "parts"),
    [(name, parts) for name in EXPECTED for parts in SIZES.get(name, (1, 2, 4, 8))],
)
def test_weights_of_each_device_are_exact(name, parts):
    assert weights(facts(name), ReservationSettings(parts)).loaded == EXPECTED[name](parts)


@pytest.mark.parametrize("parts", [1, 2, 4])
def test_index_of_gptq_is_whole_where_outputs_are_split(parts):
    found = weights(facts("qwen2.5-7b-gptq-int4"), ReservationSettings(parts)).loaded
    assert found == packed(parts, index=True)


def test_one_device_holds_what_the_index_promises():
    for item in published_checkpoints.ALL:
        c = item.config.get("text_config", item.config)
        heads = 1 if f"{item.name}" in ("gemma-2b", "gemma-2-9b", "gemma-3-27b") else 2
        padding = heads * (padded(c["vocab_size"]) - c["vocab_size"]) * c["hidden_size"] * 2
        if item.size:
            assert weights(facts(item.name), ReservationSettings()).loaded == item.size + padding


def test_prediction_head_is_not_loaded():
    item = published_checkpoints.BY_NAME["deepseek-v3"]
    head = sum(
        BITS[kind] * ceil(shape[0]) * (shape[1] if len(shape) > 1 else 1) // 8
        for name, (kind, shape) in item.tensors.items()
        if name.startswith("model.layers.61.")
    )
    assert head > 14 * 10**9
    assert (
        weights(facts("deepseek-v3"), ReservationSettings()).loaded
        == facts("deepseek-v3").bytes_stored - head
    )


def test_latent_attention_keeps_what_it_absorbs():
    # 61 layers, 128 heads, 512 x (128 + 128) in bf16, on each of eight devices.
    assert weights(facts("deepseek-v3"), ReservationSettings(8)).prepared == 61 * 16 * 512 * 256 * 2


def test_experts_of_mxfp4_are_padded_to_tiles():
    # 2880 -> 2944 in both directions, 17 bytes for 32 elements.
    padding = 32 * 3 * (2944 * 2944 - 2880 * 2880) // 32 * 17
    assert weights(facts("gpt-oss-20b"), ReservationSettings()).prepared == 24 * padding


def test_weights_in_float32_are_loaded_in_half():
    assert weights(facts("gemma-2-9b"), ReservationSettings(dtype="auto")).loaded == 18483411968
    assert (
        weights(facts("gemma-2-9b"), ReservationSettings(dtype="float32")).loaded == 2 * 18483411968
    )


# Bytes of a token: DeepSeek-V3 70,272 is the figure of its own paper (arXiv 2505.09343, table 1).
PER_TOKEN = {
    ("llama-3.1-8b", 1, "auto"): 131072,
    ("llama-3.1-8b", 8, "auto"): 131072 // 8,
    ("llama-3.1-8b", 16, "auto"): 131072 // 8,
    ("llama-3.1-8b", 1, "fp8"): 65536,
    ("gemma-2b", 1, "auto"): 2 * 256 * 2 * 18,
    ("gemma-2b", 4, "auto"): 2 * 256 * 2 * 18,
    ("deepseek-v3", 1, "auto"): 70272,
    ("deepseek-v3", 8, "auto"): 70272,
    ("deepseek-v3", 8, "fp8"): 35136,
    ("qwen3-30b-a3b", 8, "fp8_e4m3"): 2 * 128 * 48,
    ("gpt-oss-20b", 2, "auto"): 2 * 4 * 64 * 2 * 24,
}


@pytest.mark.parametrize("case", PER_TOKEN, ids=str)
def test_bytes_of_a_token_are_exact(case):
    name, parts, kind = case
    settings = ReservationSettings(parts, kv_cache_dtype=kind)
    found = bytes_per_token(read_attention(facts(name), parts), cache_bytes(facts(name), settings))
    assert found == PER_TOKEN[case]


LAYERS = {
    "llama-3.1-8b": ({CacheReach.FULL: 32}, 0),
    "qwen2.5-7b": ({CacheReach.FULL: 28}, 0),
    "mistral-7b-v0.1": ({CacheReach.SLIDING: 32}, 4096),
    "gemma-2-9b": ({CacheReach.FULL: 21, CacheReach.SLIDING: 21}, 4096),
    "gemma-3-27b": ({CacheReach.FULL: 10, CacheReach.SLIDING: 52}, 1024),
    "gpt-oss-20b": ({CacheReach.FULL: 12, CacheReach.SLIDING: 12}, 128),
    "deepseek-v3": ({CacheReach.FULL: 61}, 0),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_reach_as_the_configuration_says(name):
    found = read_attention(facts(name), 1)
    assert (dict(found.layers), found.window) == LAYERS[name]


def test_sequence_of_full_layers_takes_whole_blocks():
    attention = read_attention(facts("llama-3.1-8b"), 1)
    assert vllm_sequence(attention, 2, 1001, 4096) == 63 * 16 * 131072


def test_sequence_of_sliding_layers_stops_at_the_window():
    attention = read_attention(facts("mistral-7b-v0.1"), 1)
    # 4095 tokens behind, 4096 under way, and a block that begins elsewhere.
    assert vllm_sequence(attention, 2, 32768, 4096) == (512 + 1) * 16 * 131072
    assert vllm_sequence(attention, 2, 100, 4096) == (7 + 1) * 16 * 131072


def test_sequence_of_mixed_layers_shares_one_pool():
    # Gemma 3: groups of ten layers, one of full and six of sliding ones, two of them of padding.
    attention = read_attention(facts("gemma-3-27b"), 1)
    token = 2 * 16 * 128 * 2
    full, sliding = 32768 // 16, ceil((1023 + 4096) / 16) + 1
    assert vllm_sequence(attention, 2, 32768, 4096) == (full + 6 * sliding) * 10 * 16 * token
    # gpt-oss: as many of each, so two groups of twelve.
    attention = read_attention(facts("gpt-oss-20b"), 1)
    blocks = 131072 // 16 + ceil((127 + 4096) / 16) + 1
    assert vllm_sequence(attention, 2, 131072, 4096) == blocks * 12 * 16 * 2048


def test_nearly_equal_kinds_are_filled_up():
    # vLLM's own example: thirteen full and twelve sliding layers make two groups of thirteen.
    attention = Attention({CacheReach.FULL: 13, CacheReach.SLIDING: 12}, 1, 64, 64, window=128)
    blocks = 1024 // 16 + min(1024 // 16, ceil((127 + 512) / 16)) + 1
    assert vllm_sequence(attention, 2, 1024, 512) == blocks * 13 * 16 * 256


def test_pools_of_sglang_hold_a_share_for_sliding_layers():
    attention = read_attention(facts("gpt-oss-20b"), 1)
    assert sglang_sequence(attention, 2, 10_000) == 2048 * (12 * 10_000 + 12 * 8_000)
    assert sglang_sequence(read_attention(facts("llama-3.1-8b"), 1), 2, 10_000) == 10_000 * 131072


def test_indexer_of_sparse_attention_is_counted():
    # DeepSeek V3.2: 128 fp8 elements and a scale of four bytes in each layer; fp8 packs to 656.
    item = published_checkpoints.BY_NAME["deepseek-v3"]
    found = describe_checkpoint("v3.2", item.config | {"index_head_dim": 128}, [], [], "")
    attention = read_attention(found, 8)
    assert bytes_per_token(attention, 2) == 61 * (1152 + 132)
    assert bytes_per_token(attention, 1) == 61 * (656 + 132)


def test_reservation_is_the_fraction_of_the_device():
    found = examine(
        VLLM, facts("qwen3-8b"), ReservationSettings(max_model_len=32768), 24 * GIB, 0.9
    )
    assert found.reserved == found.budget == ceil(24 * GIB * 0.9)
    assert found.fits
    assert found.left == found.budget - 16381470720
    # The longest that fits does, the next does not.
    room = found.left - found.working
    attention = read_attention(facts("qwen3-8b"), 1)
    assert vllm_sequence(attention, 2, found.longest, 4096) <= room
    assert vllm_sequence(attention, 2, found.longest + 1, 4096) > room


def test_reservation_without_room_is_refused_with_one_that_fits():
    settings = ReservationSettings(max_model_len=40960)
    found = examine(VLLM, facts("qwen3-8b"), settings, 24 * GIB, 0.7)
    assert not found.fits
    other = change(VLLM, facts("qwen3-8b"), settings, 24 * GIB, 0.7)
    assert other is not None
    assert other.fraction > 0.7
    planned = ReservationSettings(max_model_len=other.max_model_len)
    again = examine(VLLM, facts("qwen3-8b"), planned, 24 * GIB, other.fraction)
    assert again.fits
    assert not again.is_tight


def test_length_is_shortened_where_no_fraction_helps():
    settings = ReservationSettings(max_model_len=131072)
    assert not examine(VLLM, facts("llama-3.1-8b"), settings, 24 * GIB, 0.9).fits
    other = change(VLLM, facts("llama-3.1-8b"), settings, 24 * GIB, 0.9)
    assert other is not None
    assert other.max_model_len < 131072
    assert other.max_model_len % 1024 == 0


def test_nothing_is_proposed_where_weights_alone_do_not_fit():
    settings = ReservationSettings(max_model_len=8192)
    assert change(VLLM, facts("mixtral-8x7b"), settings, 24 * GIB, 0.9) is None


def test_fraction_of_sglang_leaves_its_work_beside():
    settings = ReservationSettings(max_model_len=8192)
    found = examine(SGLANG, facts("qwen3-8b"), settings, 24 * GIB, 0.8)
    assert found.budget == int(24 * GIB * 0.8)
    assert found.reserved == min(24 * GIB, found.budget + found.working)
    # Nobody says: it chooses when it starts, and the device is its own.
    assert examine(SGLANG, facts("qwen3-8b"), settings, 24 * GIB, None).reserved == 24 * GIB
    assert not examine(SGLANG, facts("qwen3-8b"), settings, 24 * GIB, 0.6).fits
    other = change(SGLANG, facts("qwen3-8b"), settings, 24 * GIB, 0.6)
    assert other is not None
    assert 0.6 < other.fraction <= 0.9


def test_more_devices_than_the_model_has_heads_are_refused():
    with pytest.raises(NotComputedError, match="28 attention heads cannot be split over 8 devices"):
        weights(facts("qwen2.5-7b"), ReservationSettings(8))


UNKNOWN = {
    "a state": ({"layer_types": ["linear_attention"] * 36}, "keep a state"),
    "a kind": ({"layer_types": ["other_attention"] * 36}, "are not known"),
    "too few": ({"layer_types": ["full_attention"]}, "fewer `layer_types`"),
    "no heads": ({"num_attention_heads": None}, "no usable `num_attention_heads`"),
    "negative": ({"num_hidden_layers": -1}, "no usable `num_hidden_layers`"),
    "text": ({"num_hidden_layers": "36"}, "no usable `num_hidden_layers`"),
    "huge": ({"num_hidden_layers": 2**40}, "no usable `num_hidden_layers`"),
    "other heads": ({"global_head_dim": 512}, "other heads"),
    "type": ({"torch_dtype": "int3"}, "`int3`"),
}


def cache_of(found):
    return read_attention(found, 1), element_bytes(found, "auto")


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_said(name):
    changed, said = UNKNOWN[name]
    item = published_checkpoints.BY_NAME["qwen3-8b"]
    kept = {key: value for key, value in (item.config | changed).items() if value is not None}
    found = describe_checkpoint("m", kept, [], [], "")
    with pytest.raises(NotComputedError, match=said):
        cache_of(found)


def test_weights_are_judged_where_the_cache_is_not_known():
    """Qwen3-Next and its kin keep states: the weights have to fit all the same."""
    item = published_checkpoints.BY_NAME["qwen3-30b-a3b-fp8"]
    kinds = ["linear_attention", "full_attention"] * 24
    tensors = tuple(StoredTensor(key, *value) for key, value in item.tensors.items())
    one = [("model.safetensors", tensors)]
    found = describe_checkpoint("m", item.config | {"layer_types": kinds}, one, [], "")
    seen = examine(VLLM, found, ReservationSettings(), 24 * GIB, 0.9)
    assert not seen.fits
    assert "keep a state" in seen.unknown
    assert change(VLLM, found, ReservationSettings(), 24 * GIB, 0.9) is None
    other = change(VLLM, found, ReservationSettings(), 48 * GIB, 0.5)
    assert other is not None
    assert examine(VLLM, found, ReservationSettings(), 48 * GIB, other.fraction).fits


def test_packed_cache_is_not_guessed():
    with pytest.raises(NotComputedError, match="turboquant_k8v4"):
        cache_bytes(facts("qwen3-8b"), ReservationSettings(kv_cache_dtype="turboquant_k8v4"))
