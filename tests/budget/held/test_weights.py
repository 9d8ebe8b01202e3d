"""Which tensors are loaded, and where they land."""

from making_facts import facts, group, llama
from msgspec.structs import replace

from llmgen.budget.estimate import estimate
from llmgen.budget.settings import ServerSettings

PAIR = ("gpu0", "gpu1")


def model_bytes(found, **settings):
    made = estimate(found, ServerSettings(ctx_size=512, parallel=1, **settings))
    return {item.device: item.model for item in made.memory}


def without(found, name):
    kept = tuple(item for item in found.tensors if item.pattern != name)
    return replace(found, tensors=kept)


def test_input_layer_stays_on_the_host():
    assert model_bytes(llama()) == {"host": 320_000, "gpu0": 640_000 + 1024 + 128 + 4 * 164_000}


def test_tied_embedding_is_uploaded_once_more():
    found = without(llama(), "output.weight")
    assert model_bytes(found) == {"host": 320_000, "gpu0": 320_000 + 1024 + 128 + 4 * 164_000}


def test_tied_embedding_is_there_once_when_nothing_is_offloaded():
    found = without(llama(), "output.weight")
    assert model_bytes(found, devices=()) == {"host": 320_000 + 1024 + 128 + 4 * 164_000}


def test_gemma_3n_asks_for_the_tied_embedding_twice_unless_it_is_mapped():
    values = {
        "block_count": 2,
        "embedding_length": 256,
        "context_length": 512,
        "attention.head_count": 4,
        "attention.sliding_window": 64,
    }
    found = facts("gemma3n", values, tensors=(group("token_embd.weight", 3200),))
    read = model_bytes(found, devices=(), load_mode="none")["host"]
    assert (read, model_bytes(found, devices=())["host"]) == (6400, 3200)


def test_shared_rope_factors_are_copied_to_every_device():
    split = model_bytes(llama(), devices=PAIR)
    assert sum(split.values()) == sum(model_bytes(llama()).values()) + 128


def test_experts_of_the_first_layers_stay_on_the_host():
    assert model_bytes(llama(), n_cpu_moe=3)["host"] == 320_000 + 3 * 64_000


def test_override_moves_what_its_expression_finds():
    rules = ((r"blk\.[01]\.attn", "CPU"), ("output", "gpu1"))
    found = model_bytes(llama(), devices=PAIR, tensor_split=(1.0, 0.0), override_tensor=rules)
    assert found["host"] == 320_000 + 2 * 100_000
    assert found["gpu1"] == 640_000 + 1024


def test_first_matching_override_wins():
    rules = (("attn_q", "CPU"), ("attn", "gpu0"))
    assert model_bytes(llama(), override_tensor=rules)["host"] == 320_000 + 4 * 100_000


def test_tensors_are_padded_to_the_alignment_of_their_buffer():
    found = replace(llama(), tensors=(group("output_norm.weight", 50),))
    assert model_bytes(found)["gpu0"] == 64


def test_nextn_blocks_are_loaded_only_for_drafting():
    found = llama(4, nextn_predict_layers=1)
    skipped = model_bytes(found)["gpu0"]
    assert skipped == 640_000 + 1024 + 128 + 3 * 164_000
