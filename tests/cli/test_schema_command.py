import json

import pytest
from click.testing import CliRunner

from llmgen.cli.boundary import root


def run(*words):
    return CliRunner().invoke(root, ["schema", *words])


def test_without_a_key_it_is_the_json_schema():
    assert json.loads(run().stdout)["title"] == "llm.toml"


def test_a_key_is_explained_in_words():
    said = run('models."qwen3.5".ctx_size').stdout.splitlines()
    assert said[0].startswith("models.NAME.ctx_size: integer")
    assert "--ctx-size" in said[1]


def test_a_table_lists_its_keys():
    said = run("llama_cpp").stdout
    assert said.startswith("llama_cpp: table\n")
    assert "\nbuild " in said


def test_the_whole_file_is_a_dot():
    assert "\nmodels " in run(".").stdout


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("models.a.ctxsize", "models.NAME.ctx_size"),
        ("a b", "not a key"),
        ("x", "schema ."),
        ("", "not a key"),
    ],
)
def test_a_wrong_key_is_wrong_usage(key, hint):
    result = run(key)
    assert result.exit_code == 2
    assert hint in result.stderr


def test_json_has_the_same():
    data = json.loads(run("plan.prefer", "--json").stdout)["data"]
    assert data["path"] == "plan.prefer"
    assert data["keys"] == []
