"""Settings that the server refuses for a model."""

import making
import pytest
from making_facts import facts, llama, published
from msgspec.structs import replace

from llmgen.budget.estimate import estimate
from llmgen.budget.settings import ServerSettings, SettingRefused

SMALL = {
    "block_count": 2,
    "embedding_length": 320,
    "context_length": 512,
    "attention.head_count": 4,
}


def refusal(model, **settings):
    with pytest.raises(SettingRefused) as refused:
        estimate(model, ServerSettings(ctx_size=512, parallel=1, **settings))
    return refused.value


def test_quantised_v_needs_flash_attention():
    found = refusal(llama(), flash_attn="off", cache_type_v="q8_0")
    assert (found.key, found.hint) == ("cache_type_v", 'use `flash_attn = "on"`, or f16 for V')


def test_automatic_flash_attention_is_on_for_quantised_v():
    made = estimate(llama(), ServerSettings(ctx_size=512, cache_type_v="q8_0"))
    assert made.n_ctx == 512


@pytest.mark.parametrize("moved", [{"n_gpu_layers": 11}, {"kv_offload": False}])
def test_older_builds_refuse_a_quantised_v_where_attention_leaves_its_layer(moved):
    model, asked = (
        published("lfm2-1.2b"),
        ServerSettings(ctx_size=8192, cache_type_v="q8_0", **moved),
    )
    with pytest.raises(SettingRefused) as refused:
        estimate(model, asked, 10152)
    assert refused.value.key == "cache_type_v"
    assert estimate(model, asked, 10236).n_ctx == 8192


def test_grok_has_no_flash_attention_at_all():
    found = refusal(facts("grok", SMALL), flash_attn="on", cache_type_v="q8_0")
    assert found.key == "cache_type_v"


def test_head_must_be_a_multiple_of_the_block():
    found = refusal(facts("llama", SMALL), cache_type_k="q8_0")
    assert found.message == "heads of 80 elements cannot be stored in q8_0"


def test_row_must_be_a_multiple_of_the_block_without_flash_attention():
    settings = ServerSettings(ctx_size=512, parallel=1, flash_attn="off", cache_type_k="q8_0")
    assert estimate(facts("llama", SMALL), settings).n_ctx == 512


@pytest.mark.parametrize("model", ["deepseek-v3", "kimi-linear-48b"])
def test_latent_attention_needs_equal_types(model):
    assert refusal(published(model), cache_type_k="q8_0").key == "cache_type_v"


def test_unknown_cache_type_is_refused():
    assert refusal(llama(), cache_type_k="q6_K").key == "cache_type_k"


def test_more_shares_than_devices_are_refused():
    assert refusal(llama(), tensor_split=(1.0, 1.0)).key == "tensor_split"


def test_wrong_override_expression_is_refused():
    assert refusal(llama(), override_tensor=(("blk.(", "CPU"),)).key == "override_tensor"


def test_override_to_an_unknown_device_is_refused():
    found = refusal(llama(), override_tensor=(("exps", "gpu7"),))
    assert found.hint == "use one of CPU, gpu0"


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"block_count": 100000}, "block_count"),
        ({"block_count": "many"}, "block_count"),
        ({"attention.head_count": [4]}, "attention.head_count"),
    ],
)
def test_header_that_cannot_be_loaded_is_refused(values, key):
    found = refusal(facts("llama", {**SMALL, **values}))
    assert found.key == "model"
    assert key in found.message


def test_listed_windows_are_mandatory_where_the_loader_asks_for_them():
    model = facts("mimo2", {**SMALL, "attention.sliding_window": 128})
    assert "attention.sliding_window_pattern" in refusal(model).message


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("attention.head_count", "`attention.head_count` is 0"),
        ("attention.head_count_kv", "`attention.head_count_kv` is 0"),
        ("attention.key_length", "`attention.key_length` is 0"),
        ("embedding_length", "`embedding_length` is 0"),
        ("feed_forward_length", "`feed_forward_length` is 0"),
    ],
)
def test_sizes_of_zero_beside_tensors_are_refused(key, said):
    """llama-server b11434 on such a file: `check_tensor_dims: tensor ... has wrong shape`."""
    model = making.facts()
    damaged = replace(model, hyperparameters={**model.hyperparameters, key: 0})
    found = refusal(damaged)
    assert found.key == "model"
    assert found.message.startswith(said)


def test_no_trained_context_needs_one_that_is_asked_for():
    model = llama(context_length=0)
    assert estimate(model, ServerSettings(ctx_size=512)).n_ctx == 512
    with pytest.raises(SettingRefused, match="no context was trained"):
        estimate(model, ServerSettings(ctx_size=0))
