import pytest
from making import config, facts

from llmgen.layout import layout
from llmgen.models.inventory import listed, name_for, quant_of, unneeded, users_of


@pytest.mark.parametrize(
    ("file", "name", "quant"),
    [
        ("org/Qwen3-8B-Q8_0.gguf", "qwen3-8b", "Q8_0"),
        ("gpt-oss-120b-mxfp4-00001-of-00003.gguf", "gpt-oss-120b", "MXFP4"),
        ("unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF", "qwen3-coder-30b-a3b-instruct", ""),
        ("Mistral.IQ4_XS.gguf", "mistral", "IQ4_XS"),
    ],
)
def test_name_and_quant_of_a_file(file, name, quant):
    assert (name_for(file), quant_of(file)) == (name, quant)


def test_taken_name_gets_a_number():
    assert name_for("a-Q8_0.gguf", ["a", "a-2"]) == "a-3"


def test_listed_knows_size_and_training_from_the_lock():
    (row,) = listed(config('[models.a]\nmodel="a.gguf"\naliases=["x"]'), {"file:a.gguf": facts()})
    assert (row.trained_context, row.names) == (8192, ("x",))
    assert row.size_bytes > 0


def test_users_of_a_model_name_it_by_any_of_its_names():
    text = (
        '[models.a]\nmodel="a.gguf"\naliases=["x"]\n[models.b]\nmodel="b.gguf"\nfallbacks=["x"]\n'
        '[plan]\ntogether=[["b", "a"]]'
    )
    assert users_of(config(text), "a") == [
        ("models", "b", "fallbacks", 0),
        ("plan", "together", 0, 1),
    ]


def test_unneeded_keeps_shards_projectors_and_adapters():
    text = (
        '[models.a]\nmodel="m-00001-of-00002.gguf"\nmmproj="mmproj.gguf"\nlora=[{path="l.gguf"}]\n'
    )
    on_disk = [
        "m-00001-of-00002.gguf",
        "m-00002-of-00002.gguf",
        "mmproj.gguf",
        "l.gguf",
        "old.gguf",
    ]
    assert left(text, on_disk) == ["old.gguf"]


@pytest.mark.parametrize(
    "named", ["/home/llm/models/a.gguf", "../models/a.gguf", "~/models/a.gguf"]
)
def test_unneeded_keeps_a_file_however_it_is_spelled(named):
    assert left(f'[models.a]\nmodel="{named}"', ["a.gguf", "b.gguf"]) == ["b.gguf"]


def left(text, on_disk):
    made = config(text)
    return unneeded(made, {}, on_disk, layout(made.paths, made.services.scope))
