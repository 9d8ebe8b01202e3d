"""An endless stream of server-sent events, each of which has a JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmgen.errors import Diagnostic, InputError
from llmgen.web.client import HINT, asking
from llmgen.web.depth import depth
from llmgen.web.limits import QUICK, Limit, LimitError, Limits
from llmgen.web.lines import lines

# Without end, and so without a limit of time or size; each line has one.
_STREAM: Final = Limits(QUICK.seconds, size_bytes=0, depth=0)
# How long nothing may happen before the stream is asked for anew.
_SILENT_SECONDS: Final = 3600.0


def events(url: str, headers: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Each event's object, as it comes; httpx's errors are the caller's.

    InputError where something else than such a stream answers.
    """
    with (
        asking(url, _STREAM, headers, wait_seconds=_SILENT_SECONDS) as (client, watch),
        client.stream("GET", url) as got,
    ):
        kind = got.headers.get("content-type", "").partition(";")[0].strip()
        if got.status_code != 200 or kind != "text/event-stream":
            message = f"`{url}` answers {got.status_code} with no stream of events"
            raise InputError(Diagnostic("answer.no-events", message, hint=HINT))
        watch.allow(0)
        for line in lines(url, got.iter_bytes(), _STREAM):
            field, _, value = line.strip().partition(b":")
            if field == b"data":
                yield read_object(url, value)


def read_object(url: str, text: bytes) -> dict[str, Any]:
    """A JSON object of a stream, no deeper than other answers may be; InputError otherwise."""
    if depth(text) > QUICK.depth:
        raise LimitError(url, Limit.DEPTH, QUICK, HINT)
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        said = " ".join(text[:200].decode("utf-8", "replace").split())
        message = f"`{url}` sends an event that is no JSON object: {said}"
        raise InputError(Diagnostic("answer.no-events", message, hint=HINT))
    return found
