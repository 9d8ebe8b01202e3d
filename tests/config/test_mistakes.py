"""Wrong values in every key: refused with place and hint, never a traceback."""

import pytest
from test_every_key import BASE, ROWS, key_of

from llmgen.config.edit import value_text
from llmgen.config.load import load
from llmgen.config.source import parse
from llmgen.errors import ConfigError

KEYS = sorted({key_of(row.split(" ; ")[-1]) for row in ROWS} - {"edition"})
WRONG = [-7, 10**30, float("inf"), "", "\u2028", [[[]]], {"x": {"y": []}}]


@pytest.mark.sample(3)
@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_wrong_value_has_place_and_hint(value):
    refused = 0
    for key in KEYS:
        overlay = parse("mine.toml", f"{key} = {value_text(value)}\n")
        try:
            load([parse("llm.toml", BASE), overlay])
        except ConfigError as error:
            refused += 1
            for item in error.diagnostics:
                assert item.location is not None
                assert item.location.file == "mine.toml", item
                assert item.hint, item
                assert "input should" not in item.message.lower()
    assert refused > len(KEYS) / 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = " + "[" * 9000, "nested too deeply"),
        ("x = " + "9" * 5000, "too many digits"),
        ("[a]\n[a]\n", "`a` is declared twice"),
        ("a = 64K\n", "something follows the value"),
        ('a = "\\q"\n', "starts an escape"),
    ],
)
def test_what_is_no_toml_is_said_in_words(text, message):
    with pytest.raises(ConfigError) as caught:
        parse("llm.toml", text)
    (found,) = caught.value.diagnostics
    assert message in found.message
    assert found.hint


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("temperature", "sampling.temp"),
        ("temp", "sampling.temp"),
        ("spec-draft-n-max", "draft.spec_draft_n_max"),
        ("n_ctx", "ctx_size"),
        ("ngl", "n_gpu_layers"),
        ("ctx-size", "ctx_size"),
        ("ctx_sise", "ctx_size"),
    ],
)
def test_key_of_another_name_is_told_by_its_own(written, meant):
    text = f'edition = 1\n[hardware]\n[models.a]\nmodel = "a.gguf"\n{written} = 1\n'
    with pytest.raises(ConfigError) as caught:
        load([parse("llm.toml", text)])
    (found,) = caught.value.diagnostics
    assert found.hint == f"did you mean `{meant}`?"


@pytest.mark.parametrize(
    "line",
    [
        "models.a.sleep_idle_seconds = 0",
        "models.a.sampling.repeat_last_n = -1",
        "models.a.sampling.repeat_penalty = 0",
        'budget.override = "  "',
    ],
)
def test_value_that_starts_no_server_or_says_nothing_is_refused(line):
    with pytest.raises(ConfigError) as caught:
        load([parse("llm.toml", f"edition = 1\nhardware = {{}}\n{line}\n")])
    assert [item.code for item in caught.value.diagnostics] == ["config.bad-value"]


def test_terminal_codes_are_not_shown():
    with pytest.raises(ConfigError) as caught:
        parse("llm.toml", 'a = "\x1b[31m"\n')
    assert "\x1b" not in caught.value.diagnostics[0].location.excerpt


def test_edition_is_judged_before_its_keys():
    with pytest.raises(ConfigError) as caught:
        load([parse("llm.toml", "edition = 99\nnew_key = 1\n")])
    assert [item.code for item in caught.value.diagnostics] == ["config.edition"]
