"""A local Ollama store as [models] tables: the files stay where they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from llmgen.config.variables import TablePath
from llmgen.errors import Diagnostic, LlmgenError
from llmgen.facts.local import read_model
from llmgen.facts.stores import ollama_blob, spelled
from llmgen.importing.parts import Part, lost
from llmgen.resolve.role import made_for

# Parameters of a Modelfile (ollama/docs/modelfile) as keys of [models.NAME].
_KEYS: Final = {
    "num_ctx": "ctx_size",
    "num_predict": "n_predict",
    "num_batch": "batch_size",
    "num_thread": "threads",
    "seed": "sampling.seed",
    "temperature": "sampling.temp",
    "top_k": "sampling.top_k",
    "top_p": "sampling.top_p",
    "min_p": "sampling.min_p",
    "typical_p": "sampling.typical_p",
    "repeat_last_n": "sampling.repeat_last_n",
    "repeat_penalty": "sampling.repeat_penalty",
    "presence_penalty": "sampling.presence_penalty",
    "frequency_penalty": "sampling.frequency_penalty",
    "mirostat": "sampling.mirostat",
    "mirostat_eta": "sampling.mirostat_lr",
    "mirostat_tau": "sampling.mirostat_ent",
}


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
        for path in blob.parameters:
            faults += _parameters(name, path, keys)
        if blob.projectors:
            keys |= {"role": "vision", "mmproj": spelled(blob.projectors[0], home)}
        tables["models", name] = keys
    return Part(tables, tuple(faults))


def _parameters(name: str, path: Path, keys: dict[str, Any]) -> Iterator[Diagnostic]:
    """Take over the `PARAMETER` lines of a Modelfile; what has no key is named."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        yield lost(f"the parameters of `{name}`", "their file cannot be read")
        return
    for word, value in sorted(document.items()):
        key = _KEYS.get(word, "")
        table, _, inner = key.rpartition(".")
        if not key or isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            yield lost(f"`{word}` of `{name}`", "llm.toml has no key for it, or none for its value")
        elif table:
            keys.setdefault(table, {})[inner] = value
        else:
            keys[key] = value
