"""A local Ollama store as [models] tables: the files stay where they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llmgen.errors import LlmgenError
from llmgen.facts.local import read_model
from llmgen.facts.stores import ollama_blob, spelled
from llmgen.importing.model import Part, TablePath, lost
from llmgen.resolve.role import made_for


def from_ollama(store: Path | None, names: Iterable[str], home: Path) -> Part:
    """One table for each model of the store; a model that cannot be read is left out by name."""
    tables: dict[TablePath, dict[str, Any]] = {}
    faults = []
    for name in names:
        try:
            blob = ollama_blob(store, name)
            role = made_for(read_model(blob.path, name))
        except LlmgenError as error:
            faults.append(lost(f"`{name}` of Ollama", error.diagnostics[0].message))
            continue
        keys: dict[str, Any] = {"ollama": name} | ({"role": role} if role != "chat" else {})
        if blob.projectors:
            keys |= {"role": "vision", "mmproj": spelled(blob.projectors[0], home)}
        tables["models", name] = keys
    return Part(tables, tuple(faults))
