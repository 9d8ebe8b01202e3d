"""An imported part as the text of an llm.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmgen.config.edit import append_table
from llmgen.config.editions import EDITIONS
from llmgen.config.variables import TablePath
from llmgen.importing.parts import Part

_ORDER = (
    "naming", "hardware", "hosts", "paths", "defaults", "services", "gateway", "targets", "plan",
    "guard", "models", "external", "apps", "containers",
)  # fmt: skip


def document(part: Part, hardware: Mapping[str, Any], *, home: str, note: str = "") -> str:
    """The llm.toml of an import on the machine that ``hardware`` describes, for one user.

    Of several machines each has its own, and ``hardware`` is empty.
    ``note`` is what a person has to know about that machine, in one line.
    """
    paths = {"home": home, **part.tables.get(("paths",), {})}
    tables: dict[TablePath, Mapping[str, Any]] = {
        **({("hardware",): hardware} if hardware else {}),
        **part.tables,
        ("paths",): paths,
    }
    text = f"edition = {max(EDITIONS)}\n"
    for path in sorted(tables, key=lambda item: _ORDER.index(item[0])):
        if path == ("hardware",) and note:
            text += f"\n# {note}"
        text = append_table(text, path, tables[path])
    return text
