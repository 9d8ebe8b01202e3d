"""Wrong values in every key: refused with place and hint, never a traceback."""

import pytest
from pydantic import ValidationError
from test_every_key import BASE, ROWS, key_of

from llmgen.config.config import Config
from llmgen.config.edit import value_text
from llmgen.config.load import load
from llmgen.config.mistakes import expected
from llmgen.config.source import parse
from llmgen.errors import ConfigError

KEYS = sorted({key_of(row.split(" ; ")[-1]) for row in ROWS} - {"edition"})
WRONG = [-7, 10**30, float("inf"), "", "\u2028", "x" * 300, {}, [[[]]], {"x": {"y": []}}]


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
                assert " should " not in item.message.lower()
    assert refused > len(KEYS) / 2


# What pydantic raises where a schema of a type has that constraint; "" is the type itself.
RAISED = {
    ("bool", ""): "bool_type",
    ("dict", ""): "dict_type",
    ("dict", "min_length"): "too_short",
    ("float", ""): "float_type",
    ("float", "ge"): "greater_than_equal",
    ("float", "gt"): "greater_than",
    ("float", "le"): "less_than_equal",
    ("float", "lt"): "less_than",
    ("int", ""): "int_type",
    ("int", "ge"): "greater_than_equal",
    ("int", "gt"): "greater_than",
    ("int", "le"): "less_than_equal",
    ("int", "lt"): "less_than",
    ("literal", ""): "literal_error",
    ("model", ""): "model_type",
    ("str", ""): "string_type",
    ("str", "max_length"): "string_too_long",
    ("str", "pattern"): "string_pattern_mismatch",
    ("tuple", ""): "tuple_type",
    ("tuple", "min_length"): "too_short",
}
# What says nothing by itself: what is around others, and validators of our own (`value_error`).
AROUND = {"any", "default", "definition-ref", "definitions", "nullable", "union"}
AROUND |= {"model-field", "model-fields", "function-after", "function-before", "no-info"}
# Beside constraints: what a schema is made of, and what hinders nothing.
PARTS = {"type", "metadata", "ref", "serialization", "strict", "cls", "config", "root_model"}
PARTS |= {"items_schema", "keys_schema", "values_schema", "variadic_item_index", "expected"}
PARTS |= {"schema", "custom_init"}


def constraints(schema):
    """(type, constraint) of every schema that a key of llm.toml has, and (type, "")."""
    if isinstance(schema, dict):
        kind = schema.get("type")
        if isinstance(kind, str) and kind not in AROUND:
            yield kind, ""
            yield from ((kind, name) for name in schema if name not in PARTS)
        schema = [item for name, item in schema.items() if name != "metadata"]
    if isinstance(schema, list | tuple):
        for item in schema:
            yield from constraints(item)


def test_every_kind_of_mistake_that_the_schema_has_is_known():
    Config.model_rebuild()
    assert {*constraints(Config.__pydantic_core_schema__)} - {*RAISED} == set()


CONTEXT = {"ge": 1, "gt": 1, "le": 1, "lt": 1, "expected": "'a' or 'b'", "max_length": 9}
CONTEXT |= {"pattern": r"^\s*\d+\s*(s|m|min|h|d)?\s*$", "class_name": "Table"}
CONTEXT |= {"field_type": "Tuple", "min_length": 1, "actual_length": 0}


@pytest.mark.parametrize("kind", sorted({*RAISED.values(), "finite_number"}))
def test_every_kind_of_mistake_has_words_of_its_own(kind):
    error = {"type": kind, "loc": ("a",), "input": None, "ctx": CONTEXT}
    told = expected(ValidationError.from_exception_data("Config", [error]))
    assert not told.startswith("right:")
    assert "should" not in told


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (f'kubernetes.storage.claim = "{"m" * 254}"', "at most 253 characters long"),
        (f'kubernetes.secret = "{"m" * 181}"', "at most 180 characters long"),
        ('kubernetes.version = "v1.31"', 'two numbers like "5.4", nothing before or after'),
        ("models.a.memory = {}", "a table that is not empty"),
        ("gateway.envoy.listen = []", "a list that is not empty"),
        (f"kubernetes.pools.{'p' * 65} = {{}}", "digits and . _ -, at most 64"),
    ],
)
def test_what_has_a_wrong_length_or_form_is_told_in_words(line, wanted):
    with pytest.raises(ConfigError) as caught:
        load([parse("llm.toml", f"edition = 1\nhardware = {{}}\n{line}\n")])
    (found,) = caught.value.diagnostics
    assert wanted in found.message
    assert found.hint


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
