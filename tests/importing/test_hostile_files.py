"""Files that are written to crash, fill memory or never end, and secrets in clear text."""

import itertools
import string
from contextlib import suppress

import pytest
from click.testing import CliRunner

from llmgen.cli.import_ import MOST_BYTES, cli
from llmgen.errors import InputError
from llmgen.importing.sniff import from_text
from llmgen.importing.write import document
from llmgen.importing.yaml_text import UnreadableYaml, read_yaml

LEVELS = string.ascii_lowercase
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{one}: &{one} [{','.join([f'*{before}'] * 9)}]\n"
    for before, one in itertools.pairwise(LEVELS)
)
MERGES = "a0: &a0 {k: 1}\n" + "".join(
    f"a{at}: &a{at} {{<<: [*a{at - 1}, *a{at - 1}]}}\n" for at in range(1, 60)
)
DEEP = "[" * 100_000
MODEL = "cmd: llama-server -m /a.gguf"


@pytest.mark.parametrize("text", [LAUGHS, MERGES, "&a [*a]", "- " * 20_000, DEEP])
def test_yaml_that_grows_without_end_is_refused(text):
    with pytest.raises(UnreadableYaml):
        read_yaml(text)


@pytest.mark.parametrize(
    "text", ["!!bool x", "!!timestamp x", "!!int ''", "9" * 5000, "\x1b", "!!python/name:os.system"]
)  # fmt: skip
def test_yaml_whose_values_cannot_be_made_is_refused(text):
    with pytest.raises(UnreadableYaml):
        read_yaml(f"a: {text}")


def test_aliases_of_ordinary_files_are_followed():
    assert read_yaml("a: &a {k: [1]}\nb: *a\nc: {<<: *a, d: 2}")["c"] == {"k": [1], "d": 2}


@pytest.mark.parametrize(
    "text",
    [
        "models: [1]\nmacros: 3",
        "models: {a: x}\ngroups: 5",
        f"models: {{a: {{{MODEL}, aliases: 3}}}}",
        'models: {a: {cmd: "llama-server -m \'x"}}',
        'models: {a: {sampler_args: "\'", ctx_size: 3}}',
        "model_list: 5",
        "model_list: [{litellm_params: 5}]",
        '{"model_manager": {"default_model": 3}, "server": []}',
    ],
)
def test_values_of_another_kind_are_one_message(text):
    with pytest.raises(InputError) as caught:
        from_text("file", text)
    assert [item.code for item in caught.value.diagnostics] == ["import.damaged"]


def test_macros_that_double_each_other_are_refused():
    macros = "".join(f"  m{at}: '${{m{at + 1}}}${{m{at + 1}}}'\n" for at in range(60))
    text = f"macros:\n{macros}  m60: x\nmodels: {{a: {{cmd: 'llama-server ${{m0}}'}}}}"
    with pytest.raises(InputError, match="macros make a text"):
        from_text("file", text)


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    "text",
    ["\n" * MOST_BYTES, "[\n" * 100_000, "A=" + " " * MOST_BYTES + "x", "cmd " * 100_000,
     "|-|\n" * 100_000, "[a]\nm = x\n" + "".join(f"k{at} = 1\n" for at in range(50_000))],
    ids=["empty lines", "open sections", "spaces", "commands", "separators", "keys"],
)  # fmt: skip
def test_long_files_end(text):
    # Each took minutes or hours, in time that grew with the square of the length.
    with suppress(InputError):
        from_text("file", text)


def test_a_file_that_is_no_configuration_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "disk.img"
    path.touch()
    with path.open("r+b") as file:
        file.truncate(2**36)
    ended = CliRunner().invoke(cli, [str(path)])
    assert ended.exit_code == 4
    assert "import.too-large" in ended.output


def test_halves_of_surrogate_pairs_do_not_reach_llm_toml():
    part = from_text("file", '{"models": {"a\\ud800": {"cmd": "llama-server -m /\\udfff.gguf"}}}')
    document(part, {"profile": "cpu"}, home="/home/me").encode("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "models: {a: {cmd: llama-server -m /a.gguf --api-key SECRET}}",
        "models: {a: {cmd: llama-server -m /a.gguf --hf-token SECRET}}",
        "models: {a: {cmd: llama-server -m /a.gguf -hft=SECRET}}",
        f"models: {{a: {{{MODEL}, env: [api_key=SECRET, DB_PASS=SECRET, aws_credential=SECRET]}}}}",
        f"models: {{a: {{{MODEL}}}}}\napiKeys: [SECRET]",
        "[a]\nmodel = /a.gguf\nhf-token = SECRET",
        "model_list: [{model_name: a, litellm_params: {model: openai/a, api_base: 'https://me:SECRETSECRET@host/v1', api_key: SECRETSECRET}}]",
    ],
)  # fmt: skip
def test_secrets_in_clear_text_are_named_and_stay_where_they_are(text):
    part = from_text("file", text)
    assert "import.secret-in-clear" in [item.code for item in part.faults]
    assert "SECRET" not in document(part, {"profile": "cpu"}, home="/home/me")
    assert not any("SECRET" in f"{item.message}{item.hint}" for item in part.faults)


def test_names_that_only_look_like_secrets_keep_their_value():
    part = from_text("file", f"models: {{a: {{{MODEL}, env: [TOKENIZERS_PARALLELISM=false]}}}}")
    assert part.tables["models", "a"]["environment"] == {"TOKENIZERS_PARALLELISM": "false"}
