"""The schema has one address, and SchemaStore's catalog entry has the same."""

import json
from pathlib import Path

import jsonschema

from llmgen.config.schema import ADDRESS, schema

ROOT = Path(__file__).parents[2]
ENTRY = ROOT / "packaging" / "schemastore" / "catalog-entry.json"
# What SchemaStore's schema-catalog.json asks of one entry.
CATALOG = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "description", "fileMatch", "url"],
    "properties": {
        "name": {"type": "string"},
        "description": {"type": "string"},
        "fileMatch": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "url": {"type": "string", "format": "uri", "pattern": "^https://"},
        "versions": {"type": "object"},
    },
}


def test_the_entry_has_the_catalogs_shape():
    entry = json.loads(ENTRY.read_text("utf-8"))
    jsonschema.Draft4Validator(CATALOG).validate(entry)
    # SchemaStore's own checks: no word twice, no file that every project has.
    assert "schema" not in entry["description"].lower()
    assert entry["fileMatch"] == ["llm.toml"]


def test_entry_readme_and_schema_have_one_address():
    assert schema()["id"] == ADDRESS
    assert json.loads(ENTRY.read_text("utf-8"))["url"] == ADDRESS
    assert f"#:schema {ADDRESS}\n" in ROOT.joinpath("README.md").read_text("utf-8")
    assert ROOT.joinpath(*ADDRESS.split("/main/")[1].split("/")).is_file()


def test_references_resolve_under_that_address():
    jsonschema.Draft4Validator.check_schema(schema())
    found = [*jsonschema.Draft4Validator(schema()).iter_errors({"edition": 2, "models": {"a": 1}})]
    assert any("1 is not of type 'object'" in error.message for error in found)
