"""Host memory beside llama.cpp's own buffers."""

from making_facts import facts, llama, published
from msgspec.structs import replace

from llmgen.budget.estimate import estimate
from llmgen.budget.held.host import OutputRows, host_memory
from llmgen.budget.server.geometry import geometry
from llmgen.budget.settings import ServerSettings
from llmgen.budget.shape.hyperparameters import hyperparameters
from llmgen.units import GIB, MIB

SETTINGS = ServerSettings(ctx_size=4096, parallel=4, kv_unified=True)


def host(model, **settings):
    return estimate(model, replace(SETTINGS, **settings)).host


def test_logits_of_every_slot_are_held():
    assert host(llama()).output == 500 * 4 * 4


def test_embedding_server_holds_a_row_for_every_token_of_a_batch():
    assert host(llama(), embedding=True).output == (500 + 256) * 4 * 512


def test_prompt_cache_counts_with_what_it_may_take():
    assert host(llama()).prompt_cache == 8 * GIB
    assert host(llama(), cache_ram_bytes=0).prompt_cache == 0


def test_unlimited_prompt_cache_counts_one_whole_context():
    made = estimate(llama(), replace(SETTINGS, cache_ram_bytes=-1))
    assert made.host.prompt_cache == sum(item.context for item in made.memory)


def test_checkpoints_are_for_windows_and_state_only():
    assert host(llama()).checkpoints == 0
    assert host(published("gemma-3-4b")).checkpoints > 0
    assert host(published("gemma-3-4b"), swa_full=True).checkpoints == 0


def test_checkpoint_of_a_hybrid_is_the_state_of_one_slot():
    model = published("qwen3.5-27b")
    state = next(s for d, what, s in estimate(model, SETTINGS).parts if "recurrent" in what)
    assert host(model, ctx_checkpoints=2).checkpoints == 2 * state


def test_mapped_weights_are_page_cache_and_not_counted():
    assert host(llama()).page_cache == 320_000
    assert host(llama(), load_mode="none").page_cache == 0
    assert host(llama()).total == host(llama(), load_mode="none").total


def test_the_program_and_its_vocabulary_are_counted():
    small, large = (
        host(facts("llama", dict(llama().hyperparameters), size)) for size in (512, 150_000)
    )
    assert small.process < 17 * MIB
    assert large.process - small.process == 400 * (150_000 - 512)


def test_hidden_rows_inputs_and_candidates_are_held_for_drafts():
    model = facts("llama", dict(llama().hyperparameters), 500)
    plain = OutputRows(logits=4)
    counts = geometry(hyperparameters(model, 11434), SETTINGS)

    def output(rows):
        known = hyperparameters(model, 11434)
        return host_memory(known, SETTINGS, counts, (), 0, rows=rows).output

    wide = model.hyperparameters["embedding_length"]
    assert output(plain) == 500 * 4 * 4
    assert output(OutputRows(4, hidden=512)) - output(plain) == wide * 512 * 4
    assert output(OutputRows(4, read_layers=3)) - output(plain) == 3 * wide * counts.batch * 4
    assert output(OutputRows(4, sampled=True)) - output(plain) == (1 + 3 * 500) * 4 * 4


def test_hidden_rows_of_several_streams_are_as_wide_as_all_of_them():
    def output(streams):
        values = dict(llama().hyperparameters) | {"hyper_connection.count": streams}
        known = hyperparameters(facts("qwen4exp", values, 500), 11434)
        counts, rows = geometry(known, SETTINGS), OutputRows(0, hidden=1)
        return host_memory(known, SETTINGS, counts, (), 0, rows=rows).output

    assert output(4) == 4 * output(1) == 4 * 256 * 4
