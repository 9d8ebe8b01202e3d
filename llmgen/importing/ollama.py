"""A local Ollama store as [models] tables: the files stay where they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llmgen.errors import LlmgenError
from llmgen.facts.stores import ollama_blob, spelled
from llmgen.importing.model import Part, TablePath, lost


def from_ollama(store: Path | None, names: Iterable[str], home: Path) -> Part:
    """One table for each model of the store; a model that cannot be read is left out by name."""
    tables: dict[TablePath, dict[str, Any]] = {}
    faults = []
    for name in names:
        try:
            blob = ollama_blob(store, name)
        except LlmgenError as error:
            faults.append(lost(f"`{name}` of Ollama", error.diagnostics[0].message))
            continue
        keys: dict[str, Any] = {"ollama": name}
        if blob.projectors:
            keys |= {"role": "vision", "mmproj": spelled(blob.projectors[0], home)}
        tables["models", name] = keys
    return Part(tables, tuple(faults))
