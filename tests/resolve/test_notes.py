"""Notes on what works and is hardly meant."""

import pytest
from making import config, facts

from llmgen.errors import Severity
from llmgen.resolve import resolve

ONE = '[models.a]\nmodel = "a.gguf"\n'
SPARK = 'edition = 1\n[hardware]\nprofile = "dgx-spark"\n[paths]\nhome = "/home/llm"\n'


def told(text, **more):
    lock = {f"file:{name}.gguf": facts(f"{name}.gguf", layers=36) for name in "abd"}
    found = [item for item in resolve(config(text, **more), lock).notes if "hardly" in item.code]
    assert all(item.severity is Severity.NOTE and item.hint for item in found)
    return found


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ("n_gpu_layers = 200", "n_gpu_layers"),
        ("n_gpu_layers = 38", "n_gpu_layers"),
        ("n_cpu_moe = 4", "n_cpu_moe"),
        ("draft = { model = 'd.gguf', n_gpu_layers = 38 }", "draft"),
    ],
)
def test_numbers_beyond_the_model_are_told(keys, key):
    (found,) = told(ONE + keys)
    assert found.key[:3] == ("models", "a", key)


@pytest.mark.parametrize("keys", ["n_gpu_layers = 37", "n_gpu_layers = 'all'", "n_cpu_moe = 0"])
def test_numbers_of_the_model_are_not(keys):
    assert told(ONE + keys) == []


def test_usual_numbers_are_told_once_and_only_where_no_model_has_as_many():
    two = ONE + '[models.b]\nmodel = "b.gguf"\n'
    (found,) = told("[defaults]\nn_gpu_layers = 99\n" + two)
    assert found.key == ("defaults", "n_gpu_layers")
    assert "37 layers" in found.message
    assert told("[defaults]\nn_gpu_layers = 99\n" + ONE + "n_gpu_layers = 3") == []
    assert told("[defaults]\nn_gpu_layers = 37\n" + two) == []


def test_mapped_weights_are_told_on_a_machine_that_would_hold_them_twice():
    (found,) = told(ONE, head=SPARK)
    assert found.key == ("hardware", "profile")
    assert "`a`" in found.message
    assert 'load_mode = "none"' in found.hint
    assert told(ONE + 'load_mode = "none"', head=SPARK) == []
    assert told('[defaults]\nload_mode = "none"\n' + ONE, head=SPARK) == []
    assert told(ONE + "device = []", head=SPARK) == []
    assert told(ONE) == []


def test_from_edition_2_on_a_profile_s_options_are_defaults():
    lock = {"file:a.gguf": facts("a.gguf")}

    def load_mode(text):
        (model,) = resolve(config(text, head=""), lock).models
        return model.settings.load_mode

    second = SPARK.replace("edition = 1", "edition = 2")
    assert load_mode(SPARK + ONE) == "auto"
    assert load_mode(second + ONE) == "none"
    assert load_mode(second + ONE + 'load_mode = "mmap"\n') == "mmap"
    assert load_mode(second + '[defaults]\nload_mode = "dio"\n' + ONE) == "dio"
