"""Requests that wait in a llama-server for a free slot: its own counter, where it is kept."""

from __future__ import annotations

import re
from typing import Final

from llmgen.errors import InputError
from llmgen.operate.engines.server import Endpoint, request
from llmgen.web.limits import QUICK, Limits

_DEFERRED: Final = re.compile(r"^llamacpp:requests_deferred\s+(\d+(?:\.\d+)?)\s*$", re.MULTILINE)
_TEXT: Final = Limits(QUICK.seconds, size_bytes=2**20, depth=0)


def deferred(endpoint: Endpoint) -> int | None:
    """How many wait; None where the server does not count (`metrics` is off, or it is busy)."""
    try:
        got = request(endpoint, "GET", "/metrics", limits=_TEXT)
    except InputError:
        return None
    found = _DEFERRED.search(got.text) if got.status_code == 200 else None
    return int(float(found[1])) if found else None
