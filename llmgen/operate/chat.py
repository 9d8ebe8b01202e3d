"""A streaming chat over the OpenAI API: one request, pieces of the answer as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from llmgen.errors import InputError
from llmgen.operate.server import SLOW_SECONDS, Endpoint, refused, unreachable

PATH = "/v1/chat/completions"


class Piece(Struct, frozen=True):
    """A part of an answer; ``is_thought`` marks reasoning, which comes before it."""

    text: str
    is_thought: bool = False


def stream(
    endpoint: Endpoint, model: str, messages: Sequence[Mapping[str, str]], *, max_tokens: int = 0
) -> Iterator[Piece]:
    """Ask, and yield the answer while it is made; loading the model may come first."""
    import httpx  # noqa: PLC0415 - costs more than most commands take

    body: dict[str, Any] = {"model": model, "messages": [*messages], "stream": True}
    if max_tokens:
        body["max_tokens"] = max_tokens
    try:
        with (
            httpx.Client(headers=endpoint.headers, timeout=SLOW_SECONDS, trust_env=False) as client,
            client.stream("POST", endpoint.url + PATH, json=body) as got,
        ):
            if got.status_code != 200:
                text = got.read().decode("utf-8", "replace")
                raise InputError(refused(endpoint, PATH, got.status_code, text))
            for line in got.iter_lines():
                yield from pieces(line)
    except httpx.HTTPError as error:
        raise InputError(unreachable(endpoint, error)) from error


def pieces(line: str) -> Iterator[Piece]:
    """What one line of the event stream brings; comments, ends and counts bring nothing."""
    if not line.startswith("data:") or line[5:].strip() == "[DONE]":
        return
    try:
        event = json.loads(line[5:])
    except ValueError:
        return
    match event:
        case {"choices": [{"delta": dict() as delta}, *_]}:
            yield from _said(delta)
        case _:
            return


def _said(delta: Mapping[str, object]) -> Iterator[Piece]:
    for key, is_thought in (("reasoning_content", True), ("content", False)):
        text = delta.get(key)
        if isinstance(text, str) and text:
            yield Piece(text, is_thought=is_thought)
