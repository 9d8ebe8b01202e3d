"""The JSON Schema of llm.toml, made from the tables and tamed for editors.

Taplo validates Draft 4; pydantic writes 2020-12. So ``const`` becomes a one-element ``enum``,
titles and discriminators go, exclusive bounds take Draft 4's form.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Final, get_args

from pydantic import BaseModel

from llmgen.config.config import Config
from llmgen.config.documentation import documentation
from llmgen.config.editions import EDITIONS
from llmgen.profiles import profiles

FILE: Final = "llm.schema.json"
# Where editors find it; SchemaStore's catalog names the same address.
ADDRESS: Final = "https://raw.githubusercontent.com/llmgen/llmgen/main/llmgen/data/llm.schema.json"
REFRESH: Final = "python -m llmgen schema > llmgen/data/llm.schema.json"
# Tables whose absent keys take the edition's defaults.
_OPTIONS = ("Defaults", "ModelTable")
_DROPPED = ("title", "discriminator", "default")


def schema() -> dict[str, Any]:
    """The schema as a document."""
    made, usual = Config.model_json_schema(mode="validation"), EDITIONS[max(EDITIONS)].told()
    made["$defs"]["Hardware"]["properties"]["profile"]["enum"] = sorted(profiles())
    # With [hosts] each of them has its own.
    made["required"].remove("hardware")
    made["anyOf"] = [{"required": ["hardware"]}, {"required": ["hosts"]}]
    for name, table in {"": Config, **_tables(Config)}.items():
        keys = (made["$defs"][name] if name else made)["properties"]
        for key, text in documentation(table).items():
            told = f" Default: {usual[key]}." if name in _OPTIONS and key in usual else ""
            keys[key]["description"] = text + told
    tamed = _tamed(made)
    if not isinstance(tamed, dict):
        raise TypeError(type(tamed))
    definitions = tamed.pop("$defs")
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        # Draft 4's word for what later drafts call `$id`.
        "id": ADDRESS,
        "title": "llm.toml",
        **tamed,
        "definitions": definitions,
    }


def _tables(table: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Every table below this one, by the name of its class."""
    found: dict[str, type[BaseModel]] = {}
    for field in table.model_fields.values():
        for inner in _classes(field.annotation):
            found |= {inner.__name__: inner, **_tables(inner)}
    return found


def _classes(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _classes(part)]


def schema_text() -> str:
    """The schema as it is committed: sorted, two spaces, ends in a newline."""
    return json.dumps(schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def shipped() -> str:
    """The committed copy."""
    return resources.files("llmgen").joinpath("data", FILE).read_text("utf-8")


def _tamed(value: Any) -> Any:  # noqa: ANN401 - JSON has no narrower type
    match value:
        case dict():
            return _table(value)
        case list():
            return [_tamed(item) for item in value]
        case _:
            return value


def _table(value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, item in value.items():
        match key:
            case "properties" | "$defs":
                # Names of llm.toml's keys, not words of the schema.
                found[key] = {name: _tamed(inner) for name, inner in item.items()}
            case "const":
                found["enum"] = [item]
            case "exclusiveMinimum" | "exclusiveMaximum":
                found[key.replace("exclusiveM", "m")] = item
                found[key] = True
            case "$ref":
                found[key] = item.replace("#/$defs/", "#/definitions/")
            case _:
                if key not in _DROPPED:
                    found[key] = _tamed(item)
    if "enum" in found and "anyOf" in found:
        found["anyOf"] = [
            {"type": "string", "enum": found.pop("enum")},
            *(item for item in found["anyOf"] if item.get("type") != "string"),
        ]
    return found
