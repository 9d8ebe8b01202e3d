"""A streaming chat over the OpenAI API: one request, pieces of the answer as they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from llmgen.errors import InputError
from llmgen.operate.engines.server import Endpoint, refusal_hint, unreachable
from llmgen.web.completion import Event, NoCompletion, completion

PATH = "/v1/chat/completions"


class ChatPiece(Struct, frozen=True):
    """A part of an answer; ``is_thought`` marks reasoning, which comes before it."""

    text: str
    is_thought: bool = False


def stream(
    endpoint: Endpoint, model: str, messages: Sequence[Mapping[str, str]], *, max_tokens: int = 0
) -> Iterator[ChatPiece]:
    """Ask, and yield the answer while it is made; loading the model may come first."""
    import httpx  # noqa: PLC0415 - costs more than most commands take

    body: dict[str, Any] = {"model": model, "messages": [*messages]}
    if max_tokens:
        body["max_tokens"] = max_tokens
    try:
        for event in completion(endpoint.url + PATH, body, endpoint.headers):
            yield from pieces(event)
    except httpx.HTTPError as error:
        raise InputError(unreachable(endpoint, error)) from error
    except NoCompletion as error:
        if error.status == 200:
            raise
        told = replace(error.diagnostics[0], hint=refusal_hint(error.status))
        raise InputError(told) from error


def pieces(event: Event) -> Iterator[ChatPiece]:
    """What one event brings; roles and counts bring nothing."""
    match event:
        case {"choices": [{"delta": dict() as delta}, *_]}:
            yield from _said(delta)
        case _:
            return


def _said(delta: Mapping[str, object]) -> Iterator[ChatPiece]:
    for key, is_thought in (("reasoning_content", True), ("content", False)):
        text = delta.get(key)
        if isinstance(text, str) and text:
            yield ChatPiece(text, is_thought=is_thought)
