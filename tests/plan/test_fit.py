import json

from click.testing import CliRunner
from gguf_writer import write_llama
from libraries import SHAPE, planned
from making import facts

from llmgen.cli.boundary import root
from llmgen.cli.fit import _machines, _profile
from llmgen.plan.fit import Candidate, FitQuestion, candidate, fit, grid, size, smallest

BUILD = 11434
MODEL = candidate(facts("a.gguf", **SHAPE))


def test_more_context_and_more_slots_leave_less():
    free = {
        (cell.ctx_size, cell.parallel): cell.free_bytes
        for cell in fit(
            [MODEL], _profile("nvidia-24gb"), grid((4096, 8192), ("f16",), (1, 2)), BUILD
        )
    }
    assert free[4096, 1] > free[8192, 1] > free[8192, 2]


def test_second_card_takes_the_second_model():
    choice = FitQuestion(32768, "f16", 1)
    (one,) = fit([MODEL, MODEL], _profile("nvidia-24gb"), [choice], BUILD)
    (two,) = fit([MODEL, MODEL], _profile("nvidia-2x24gb"), [choice], BUILD)
    assert not one.fits
    assert two.fits


def test_smallest_machine_is_the_first_that_fits():
    choice = FitQuestion(131072, "f16", 1)
    found = smallest([MODEL], _machines(), choice, BUILD)
    below = [item for item in _machines() if size(item) < size(found)]
    assert not any(cell.fits for item in below for cell in fit([MODEL], item, [choice], BUILD))


def test_no_machine_is_none():
    assert smallest([MODEL] * 20, _machines(), FitQuestion(131072, "f16", 1), BUILD) is None


def test_command_answers_for_a_file(tmp_path):
    path = write_llama(tmp_path / "tiny.gguf")
    words = ["fit", str(path), "--profile", "nvidia-24gb", "--json", "--ctx-size", "4K"]
    result = CliRunner().invoke(root, words)
    data = json.loads(result.stdout)["data"]
    assert result.exit_code == 0
    assert {(cell["cache_type"], cell["parallel"]) for cell in data["cells"]} >= {("f16", 1)}
    assert data["smallest_profile"] == "rdna2-12gb"


def test_what_embeds_is_given_a_batch_for_its_whole_input():
    choice, machine = FitQuestion(16384, "f16", 1), _profile("nvidia-24gb")
    embeds = Candidate(MODEL.facts, "embedding")
    assert MODEL.role == "chat"
    assert choice.settings(("gpu0",), "rerank").pooling == "rank"
    (generated,) = fit([MODEL], machine, [choice], BUILD)
    (embedded,) = fit([embeds], machine, [choice], BUILD)
    text = '[models.a]\nmodel = "a.gguf"\nrole = "embedding"\nctx_size = 16384\n'
    (placed,) = planned(text).placements
    assert embedded.free_bytes < generated.free_bytes
    assert placed.settings.ubatch_size == choice.settings(("gpu0",), "embedding").ubatch_size
