"""An imported part as the text of an llm.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmgen.config.edit import append_table
from llmgen.config.editions import EDITIONS
from llmgen.importing.model import Part, TablePath

_ORDER = (
    "hardware", "paths", "defaults", "services", "gateway", "targets", "plan", "guard", "models",
    "external",
)  # fmt: skip


def document(part: Part, hardware: Mapping[str, Any], *, home: str) -> str:
    """The llm.toml of an import on the machine that ``hardware`` describes, for one user."""
    paths = {"home": home, **part.tables.get(("paths",), {})}
    tables: dict[TablePath, Mapping[str, Any]] = {
        ("hardware",): hardware,
        **part.tables,
        ("paths",): paths,
    }
    text = f"edition = {max(EDITIONS)}\n"
    for path in sorted(tables, key=lambda item: _ORDER.index(item[0])):
        text = append_table(text, path, tables[path])
    return text
