import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from llmgen.config.editions import EDITIONS
from llmgen.config.schema import REFRESH, schema_text, shipped

ROOT = Path(__file__).parents[2]


# As the models say it, once they are found to say it.
SCHEMA = json.loads(shipped())


def test_shipped_schema_is_current():
    assert shipped() == schema_text(), f"refresh it: {REFRESH}"


def test_schema_is_valid_draft_4():
    jsonschema.Draft4Validator.check_schema(SCHEMA)


def test_the_repository_s_llm_toml_passes():
    document = tomllib.loads((ROOT / "llm.toml").read_text("utf-8"))
    jsonschema.Draft4Validator(SCHEMA).validate(json.loads(json.dumps(document)))


@pytest.mark.parametrize(
    "text",
    [
        "edition = 1\n",
        'edition = 1\n[hardware]\nprofile = "toaster"\n',
        "edition = 1\n[hardware]\nunknown = 1\n",
        'edition = 1\n[hardware]\n[models.a]\nctx_size = "much"\n',
    ],
)
def test_editors_see_mistakes(text):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(SCHEMA).validate(tomllib.loads(text))


def test_every_key_is_documented():
    for name, table in SCHEMA["definitions"].items():
        for key, item in table.get("properties", {}).items():
            assert item.get("description"), f"{name}.{key} has no docstring"


def test_defaults_of_the_edition_are_said_where_the_key_is():
    edition = EDITIONS[max(EDITIONS)]
    for table in ("Defaults", "ModelTable"):
        keys = SCHEMA["definitions"][table]["properties"]
        for key in {**edition.options("chat"), **edition.options("embedding"), "ctx_size": 0}:
            assert "Default: " in keys[key]["description"], key
    assert "Default: 1073741824 (0 for embedding" in keys["cache_ram"]["description"]
    assert f"at most {edition.context} " in keys["ctx_size"]["description"]
