"""What a file is, by its text; and the importer for it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from llmgen.errors import Diagnostic, InputError
from llmgen.importing.compose import from_compose, is_compose
from llmgen.importing.litellm import from_litellm, is_litellm
from llmgen.importing.llama_swap import from_llama_swap, is_llama_swap, not_served
from llmgen.importing.llama_swap.peers import ImportedPeer, peers_of
from llmgen.importing.parts import Part, merged
from llmgen.importing.prose import blocks, from_prose
from llmgen.importing.router import from_router, is_router
from llmgen.importing.shell import from_script, is_script
from llmgen.importing.stacks import (
    from_custom_models,
    from_environment,
    from_manager,
    is_custom_models,
    is_environment,
    is_manager,
)
from llmgen.importing.unit import from_unit, is_unit
from llmgen.importing.yaml_text import UnreadableYaml, YamlDocument, as_python_reads, read_documents

# Whose file a document is, and a text that is none; the first that knows it.
_DocumentReader: TypeAlias = Callable[[Any], Part]
_DOCUMENTS: Final[tuple[tuple[Callable[[object], bool], _DocumentReader], ...]] = (
    (is_manager, from_manager),
    (is_compose, from_compose),
    (is_custom_models, from_custom_models),
)
_TEXTS: Final[tuple[tuple[Callable[[str], bool], Callable[[str], Part]], ...]] = (
    (is_unit, from_unit),
    (is_router, from_router),
    (is_script, from_script),
    (is_environment, from_environment),
)
# The key that every llm.toml begins with.
_OWN: Final = re.compile(r"\A(?:\s|#[^\n]*\n)*edition\s*=\s*\d+\s*$", re.MULTILINE)
# What reading a document raises where a value is not of the kind that its own program wants.
_OTHER_KIND: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def from_text(name: str, text: str) -> Part:
    """Everything that a file says; InputError when it is nothing that llmgen knows."""
    if _OWN.search(text):
        raise InputError(
            Diagnostic(
                "import.own-file",
                f"`{name}` is an llm.toml already",
                hint="`llmgen -c FILE check` reads it; a second `-c` overlays the first",
            )
        )
    try:
        inside = [found for block in blocks(text) if (found := _whole(block)) is not None]
        # A document may hold lines of an environment file; a file that is one holds no fences.
        alone = None if inside else _whole(text)
        part = alone or merged([from_prose(text), *inside])
    except _OTHER_KIND as error:
        raise InputError(_damaged(name, error)) from error
    if not part.tables and not part.faults:
        raise InputError(
            Diagnostic(
                "import.unknown",
                f"`{name}` is no file that llmgen can import",
                hint="llama-swap YAML, router INI, LiteLLM YAML, compose files, systemd units, "
                "shell scripts, custom_models.yaml, config.json, .env, or a document with them",
            )
        )
    return part


def peers_in(text: str) -> tuple[ImportedPeer, ...] | None:
    """The peers of the text of a llama-swap file; nothing where it is another one."""
    first = next(iter(_documents(text)), None)
    if first is None or not _is_swap(first.value):
        return None
    return peers_of(first.value)


def _whole(text: str) -> Part | None:
    """The part when the whole text is one known file, or holds several."""
    lines = text.splitlines()
    parts: list[Part] = []
    swaps = 0
    for document in _documents(text):
        if _is_swap(document.value):
            found = from_llama_swap(document, lines)
            parts.append(not_served(found) if swaps else found)
            swaps += 1
        elif is_litellm(document.value):
            # LiteLLM reads with PyYAML, where `yes` is true.
            parts.append(from_litellm(as_python_reads(text)))
        elif (read := _known(document.value)) is not None:
            parts.append(read(document.value))
    if parts:
        return merged(parts)
    return next((reads(text) for is_one, reads in _TEXTS if is_one(text)), None)


def _is_swap(document: object) -> bool:
    return is_llama_swap(document) and not is_litellm(document) and _known(document) is None


def _known(document: object) -> _DocumentReader | None:
    return next((read for knows, read in _DOCUMENTS if knows(document)), None)


def _documents(text: str) -> list[YamlDocument]:
    try:
        return [YamlDocument(json.loads(text))]
    except (ValueError, RecursionError):
        pass
    try:
        return read_documents(text)
    except UnreadableYaml:
        return []


def _damaged(name: str, error: Exception) -> Diagnostic:
    return Diagnostic(
        "import.damaged",
        f"`{name}` has a value that its own program could not use: {error}",
        hint="try the file with the program that it is for",
    )
