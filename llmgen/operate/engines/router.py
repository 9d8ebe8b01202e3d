"""llama-server's router mode: what is loaded, load and unload."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import pairwise

from llmgen.errors import Diagnostic, InputError
from llmgen.operate.engines.server import Endpoint, refused, request, rows
from llmgen.operate.engines.swap import POLL_SECONDS, SETTLE_SECONDS, TRIES, Loaded
from llmgen.web.limits import SLOW

# States in which a model holds memory (tools/server/README.md, "GET /models"); a sleeping one
# has released its weights, but its process is there.
HELD = ("loading", "loaded", "sleeping")


def loaded(endpoint: Endpoint) -> list[Loaded]:
    """The models that have a process, with the words that it was started with."""
    return [item for item in _listed(endpoint) if item.state in HELD]


def load(endpoint: Endpoint, model: str) -> None:
    """Load a model and wait until it is loaded or has failed."""
    _post(endpoint, "/models/load", model, done="already")
    end = time.monotonic() + SLOW.seconds
    while time.monotonic() < end:
        state = _state(endpoint, model)
        if state in ("loaded", "sleeping"):
            return
        if state != "loading":
            break
        time.sleep(POLL_SECONDS)
    raise InputError(
        Diagnostic(
            "operate.load-failed",
            f"`{model}` did not load",
            hint="`llmgen logs` shows what llama-server said",
        )
    )


def unload(endpoint: Endpoint, model: str | None = None) -> None:
    """Unload one model, or all, and make sure that it stays away."""
    for _ in range(TRIES):
        for item in loaded(endpoint):
            if model in (None, item.model):
                _post(endpoint, "/models/unload", item.model, done="not ")
        if _stays_away(endpoint, model):
            return
    raise InputError(
        Diagnostic(
            "operate.still-loaded",
            f"`{model or 'a model'}` comes back after every unload",
            hint="clients keep asking for it; stop them, or `llmgen down`",
        )
    )


def _post(endpoint: Endpoint, path: str, model: str, *, done: str) -> None:
    got = request(endpoint, "POST", path, body={"model": model}, limits=SLOW)
    if got.status_code != 200 and done not in got.text:
        raise InputError(refused(endpoint, path, got.status_code, got.text))


def _stays_away(endpoint: Endpoint, model: str | None) -> bool:
    """A process ends after the answer; then the list has to stay right for a while."""
    end = time.monotonic() + SETTLE_SECONDS
    calm = 0
    while time.monotonic() < end or calm == 0:
        gone = not any(model in (None, item.model) for item in loaded(endpoint))
        calm = calm + 1 if gone else 0
        if time.monotonic() > end + SETTLE_SECONDS:
            return gone
        time.sleep(POLL_SECONDS)
    return calm > 0


def _state(endpoint: Endpoint, model: str) -> str:
    return next((item.state for item in _listed(endpoint) if item.model == model), "")


def _listed(endpoint: Endpoint) -> list[Loaded]:
    return [_loaded(item) for item in rows(endpoint, "/models", "data")]


def _loaded(item: Mapping[str, object]) -> Loaded:
    told = item.get("status")
    status = told if isinstance(told, dict) else {}
    listed = status.get("args")
    words = tuple(map(str, listed)) if isinstance(listed, list) else ()
    port = dict(pairwise(words)).get("--port", "0")
    url = f"http://127.0.0.1:{port}" if port.isdecimal() and port != "0" else ""
    return Loaded(str(item.get("id", "")), str(status.get("value", "")), words=words, url=url)
