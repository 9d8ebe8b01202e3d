"""The list of models as OpenAI's and Anthropic's clients read it, and the size of a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llmgen.gateway.backends import ModelBackend
from llmgen.units import MIB

# A token is about four bytes of text; JSON may write one character as twelve (an escaped pair).
BYTES_PER_TOKEN = 16
LEAST_BODY = 8 * MIB
# Pictures come as base64 within the request: a few photographs.
LEAST_BODY_WITH_PICTURES = 48 * MIB


def entries(backends: tuple[ModelBackend, ...]) -> tuple[dict[str, Any], ...]:
    """One entry for every listed name, with the context that one request really has."""
    return tuple(_entry(item, name) for item in backends for name in _names(item))


def document(found: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """The answer to ``GET /v1/models``; the last three keys are Anthropic's."""
    ends = {"first_id": found[0]["id"], "last_id": found[-1]["id"]} if found else {}
    return {"object": "list", "data": list(found), "has_more": False, **ends}


def body_limit(backends: tuple[ModelBackend, ...], told: int | None) -> int:
    """The largest request in bytes: as told, else what the longest context may need."""
    if told is not None:
        return told
    longest = max((item.context or 0 for item in backends), default=0)
    pictures = any(item.pictures for item in backends)
    least = LEAST_BODY_WITH_PICTURES if pictures else LEAST_BODY
    return max(least, -(-longest * BYTES_PER_TOKEN // MIB) * MIB)


def _names(backend: ModelBackend) -> Iterator[str]:
    if backend.unlisted:
        return
    yield from (backend.model, *backend.aliases)
    for variant in backend.variants:
        yield from variant.names


def _entry(backend: ModelBackend, name: str) -> dict[str, Any]:
    context = {"context_length": backend.context} if backend.context else {}
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "external" if backend.engine == "external" else "llmgen",
        "type": "model",
        "display_name": backend.title or backend.model,
        "created_at": "1970-01-01T00:00:00Z",
        "root": backend.model,
        **context,
        "meta": {"role": backend.role, **({"n_ctx": backend.context} if backend.context else {})},
    }
