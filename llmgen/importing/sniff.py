"""What a file is, by its text; and the importer for it."""

from __future__ import annotations

import json
from typing import Any

import yaml

from llmgen.errors import Diagnostic, InputError
from llmgen.importing.litellm import from_litellm, is_litellm
from llmgen.importing.llama_swap import from_llama_swap, is_llama_swap
from llmgen.importing.model import Part, merged
from llmgen.importing.prose import blocks, from_prose
from llmgen.importing.router import from_router, is_router
from llmgen.importing.stacks import (
    from_custom_models,
    from_environment,
    from_manager,
    is_custom_models,
    is_environment,
    is_manager,
)


def from_text(name: str, text: str) -> Part:
    """Everything that a file says; InputError when it is nothing that llmgen knows."""
    inside = [found for block in blocks(text) if (found := _whole(block)) is not None]
    # A document may hold lines of an environment file; a file that is one holds no fences.
    alone = None if inside else _whole(text)
    part = alone or merged([from_prose(text), *inside])
    if not part.tables and not part.faults:
        raise InputError(
            Diagnostic(
                "import.unknown",
                f"`{name}` is no file that llmgen can import",
                hint="llama-swap YAML, router INI, LiteLLM YAML, custom_models.yaml, config.json, "
                ".env, or a document with such files in it",
            )
        )
    return part


def _whole(text: str) -> Part | None:
    """The part when the whole text is one known file."""
    document = _document(text)
    if is_manager(document):
        return from_manager(document)
    if is_litellm(document):
        return from_litellm(document)
    if is_custom_models(document):
        return from_custom_models(document)
    if is_llama_swap(document):
        return from_llama_swap(document)
    if is_router(text):
        return from_router(text)
    if is_environment(text):
        return from_environment(text)
    return None


def _document(text: str) -> Any:  # noqa: ANN401 - any YAML or JSON
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None
