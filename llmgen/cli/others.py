"""Models that a command has nothing to say about: those of other engines than llama-server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from llmgen.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from llmgen.library import Model


def refuse_others(models: Iterable[Model], names: Iterable[str], why: str) -> None:
    """InputError where a model was named that is no GGUF file under llama-server."""
    known = {name: item for item in models for name in item.names}
    found = [known[name] for name in names if name in known and not known[name].is_llama]
    if found:
        raise InputError(
            [
                Diagnostic(
                    "models.other-kind",
                    f"`{item.name}` runs on {item.engine.name}",
                    ("models", item.name, "engine"),
                    hint=why,
                )
                for item in found
            ]
        )
