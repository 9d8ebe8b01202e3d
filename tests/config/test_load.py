import pytest

from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.errors import ConfigError

START = 'edition = 1\n[hardware]\nprofile = "nvidia-24gb"\n'


def mistakes(*texts):
    with pytest.raises(ConfigError) as caught:
        load([parse(f"{index}.toml", text) for index, text in enumerate(texts)])
    return caught.value.diagnostics


def only(*texts):
    (found,) = mistakes(*texts)
    return found


def test_second_file_replaces_values_and_merges_tables():
    first = START + '[models.a]\nmodel = "a.gguf"\nctx_size = "8K"\naliases = ["x"]\n'
    second = '[models.a]\nctx_size = "16K"\n[models.b]\nmodel = "b.gguf"\n'
    config = load([parse("one", first), parse("two", second)])
    assert config.models["a"].ctx_size == 16384
    assert config.models["a"].aliases == ("x",)
    assert list(config.models) == ["a", "b"]


def test_mistake_in_an_overlay_is_shown_in_the_overlay():
    found = only(START, "[models.a]\nctx_sise = 1\n")
    assert found.location.file == "1.toml"
    assert found.location.line == 2


def test_unknown_key_suggests_and_treats_dashes_as_underscores():
    assert only(START + "[models.a]\nctx-size = 1\n").hint == "did you mean `ctx_size`?"


def test_union_failures_at_one_place_are_one_diagnostic():
    found = only(START + '[models.a]\nn_gpu_layers = "some"\n')
    assert found.code == "config.wrong-type"
    assert '"all"' in found.message


def test_text_for_a_number_is_a_wrong_type_at_the_value():
    found = only(START + '[models.a]\nparallel = "3"\n')
    assert found.code == "config.wrong-type"
    assert (found.location.line, found.location.column) == (5, 12)


@pytest.mark.parametrize("value", ["true", "1.0"])
def test_number_is_strict(value):
    assert only(START + f"[models.a]\nparallel = {value}\n").code == "config.wrong-type"


def test_all_mistakes_are_collected():
    found = mistakes(START + '[models.a]\nrole = "x"\nparallel = 0\n[paths]\nhome = 3\n')
    assert {item.key for item in found} == {
        ("models", "a", "role"),
        ("models", "a", "parallel"),
        ("paths", "home"),
    }


def test_older_llmgen_says_so_before_it_judges_keys():
    found = only('requires_llmgen = ">=99"\nedition = 1\nnew_key = 1\n')
    assert found.code == "config.other-llmgen"


def test_secret_is_exactly_one_reference():
    text = START + '[services]\napi_key = { env = "A", file = "b" }\n'
    assert only(text).code == "config.bad-value"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[models.a]\nmodel = "a.gguf"\ntitle = "\\u0040llmgen:client.me@"', ("models", "a", "title")),
        ('[models.a]\nmodel = "a"\nextra_args = ["-x", "@llmgen:x@"]', ("models", "a", "extra_args", 1)),
        ('[models."@llmgen:x@"]\nmodel = "a"', ("models",)),
    ],
)  # fmt: skip
def test_marks_that_would_be_filled_with_a_secret_are_refused(text, key):
    with pytest.raises(ConfigError) as caught:
        load([parse("llm.toml", f"edition = 1\n{text}")])
    (found,) = caught.value.diagnostics
    assert (found.code, found.key) == ("config.placeholder", key)
    assert found.location is not None


@pytest.mark.parametrize("text", ["\\u0080", "\\u009b2J", "\\ufffe", "\\uffff"])
def test_characters_that_no_property_list_can_hold_are_refused(text):
    item = only(f'{START}[models.a]\nmodel = "a.gguf"\ntitle = "x{text}"')
    assert item.key == ("models", "a", "title")


@pytest.mark.parametrize("address", ["-listen", "--host", ".", "]"])
def test_address_that_looks_like_an_option_is_refused(address):
    item = only(f'{START}[gateway.litellm]\nlisten = "{address}"')
    assert item.key == ("gateway", "litellm", "listen")
