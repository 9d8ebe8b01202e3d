"""The event stream of an OpenAI chat completion; what is none is told with its first bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from llmgen.errors import Diagnostic, InputError
from llmgen.web.client import HINT, asking
from llmgen.web.depth import depth
from llmgen.web.limits import CHAT, QUICK, Limit, LimitError, Limits
from llmgen.web.lines import lines

if TYPE_CHECKING:
    import httpx

    from llmgen.web.watch import Watch

# What is shown of an answer that is none, and how long it is waited for.
SHOWN: Final = 200
FIRST_SECONDS: Final = 2.0
Event = dict[str, Any]


class NoCompletion(InputError):
    """What answers is no completion; ``status`` is the HTTP status."""

    def __init__(self, url: str, what: str, said: bytes, status: int = 200) -> None:
        """``said`` are its first bytes."""
        self.status = status
        text = " ".join(said[:SHOWN].decode("utf-8", "replace").split())
        message = f"`{url}` {what}" + (f": {text}" if text else "")
        super().__init__(Diagnostic("answer.no-completion", message, hint=HINT))


def completion(
    url: str, body: Mapping[str, object], headers: Mapping[str, str], limits: Limits = CHAT
) -> Iterator[Event]:
    """Ask for a streamed completion, and yield its events; httpx's errors are the caller's."""
    with (
        asking(url, limits, headers) as (client, watch),
        client.stream("POST", url, json={**body, "stream": True}) as got,
    ):
        if got.status_code != 200:
            raise NoCompletion(
                url, f"answers {got.status_code}", _first(got, watch), got.status_code
            )
        if got.headers.get("content-type", "").partition(";")[0].strip() != "text/event-stream":
            raise NoCompletion(url, "answers with no stream of events", _first(got, watch))
        yield from _events(url, got.iter_bytes(), limits)


def _events(url: str, pieces: Iterator[bytes], limits: Limits) -> Iterator[Event]:
    first, choices, is_whole = b"", 0, False
    for line in lines(url, pieces, limits):
        first = first if len(first) >= SHOWN else first + line + b" "
        text = line.strip()
        if text.removeprefix(b"data:").strip() == b"[DONE]":
            is_whole = True
            break
        event = _event(url, text)
        if event is None:
            continue
        told = [item for item in event.get("choices") or () if isinstance(item, dict)]
        choices += any(isinstance(item.get("delta"), dict) for item in told)
        is_whole |= any(item.get("finish_reason") for item in told)
        yield event
    if not choices:
        raise NoCompletion(url, "ends its stream without an answer", first)
    if not is_whole:
        raise NoCompletion(url, "broke its answer off; it began", first)


def _event(url: str, line: bytes) -> Event | None:
    """What one line tells; None for comments, names of events and empty lines."""
    field, colon, value = line.partition(b":")
    if not line or not field or field in (b"event", b"id", b"retry"):
        return None
    if not colon or field not in (b"data", b"error"):
        raise NoCompletion(url, "sends a line that is no event", line)
    if depth(value) > QUICK.depth:
        raise LimitError(url, Limit.DEPTH, QUICK, HINT)
    try:
        event = json.loads(value)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise NoCompletion(url, "sends an event that is no JSON object", value)
    if field == b"error" or event.get("error"):
        raise NoCompletion(url, "answers with an error", value)
    told = event.get("choices")
    if told is not None and not isinstance(told, list):
        raise NoCompletion(url, "sends `choices` that are no list", value)
    return event


def _first(got: httpx.Response, watch: Watch) -> bytes:
    """The first bytes that come at once; the rest is not waited for."""
    import httpx  # noqa: PLC0415

    said = b""
    watch.allow(FIRST_SECONDS)
    try:
        for piece in got.iter_bytes():
            said += piece
            if len(said) >= SHOWN:
                break
    except httpx.HTTPError as error:
        if not watch.is_cut(error):
            raise
    except LimitError:
        return said
    return said
