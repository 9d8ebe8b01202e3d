"""The requests that llama-swap remembers: when each ended, and how fast its tokens came."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from llmgen.errors import InputError
from llmgen.operate.engines.server import Endpoint, refused, rows

_MOST = 100


class FinishedRequest(Struct, frozen=True):
    """One request that is over: seconds since 1970, and tokens per second; 0 where not told."""

    model: str
    ended: float
    tokens_per_second: float = 0.0


def finished(endpoint: Endpoint, model: str = "") -> list[FinishedRequest]:
    """The last requests of a model, or of all, the latest first; InputError where none are told."""
    only = f"model={quote(model)}&" if model else ""
    path = f"/api/metrics/activity?{only}limit={_MOST}"
    found = rows(endpoint, path, "data")
    try:
        return [_finished(row) for row in found]
    except (ValueError, KeyError, OverflowError) as error:
        raise InputError(refused(endpoint, path, 200, f"no times of requests: {error}")) from error


def _finished(row: dict[str, Any]) -> FinishedRequest:
    ended = datetime.fromisoformat(str(row["timestamp"])).timestamp()
    tokens = row.get("tokens")
    speed = tokens.get("tokens_per_second") if isinstance(tokens, dict) else 0
    # Below zero where the server did not tell.
    known = float(speed) if isinstance(speed, int | float) and speed > 0 else 0.0
    return FinishedRequest(str(row.get("model", "")), ended, known)
