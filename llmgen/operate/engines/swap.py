"""llama-swap's API: what is loaded, load, unload, and the emptying that a safe reload needs."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from urllib.parse import quote

from msgspec import Struct

from llmgen.errors import Diagnostic, InputError
from llmgen.operate.engines.server import Endpoint, refused, request, rows
from llmgen.web.limits import SLOW

# A swap that waits for its turn brings a model up after an unload; it starts within a poll.
SETTLE_SECONDS, POLL_SECONDS, TRIES = 1.5, 0.25, 20

_HERE = re.compile(r"http://(127\.0\.0\.1|localhost):[0-9]{1,5}")


class Loaded(Struct, frozen=True):
    """One model that an engine has in memory; ``command`` is what it was started with.

    ``ttl`` are the idle seconds after which it goes; 0: it stays.
    """

    model: str
    state: str
    command: str = ""
    words: tuple[str, ...] = ()
    url: str = ""
    ttl: int = 0


def loaded(endpoint: Endpoint) -> list[Loaded]:
    """What ``/running`` lists."""
    return [_loaded(item) for item in rows(endpoint, "/running", "running")]


def load(endpoint: Endpoint, model: str) -> None:
    """Load a model and wait: llama-swap has no route for it, any upstream path does it."""
    path = f"/upstream/{quote(model, safe='/:')}/health"
    got = request(endpoint, "GET", path, limits=SLOW)
    # A server of another kind may have no such page; then llama-swap's own list tells.
    if got.status_code != 200 and not _is_ready(endpoint, model):
        raise InputError(refused(endpoint, path, got.status_code, got.text))


def _is_ready(endpoint: Endpoint, model: str) -> bool:
    return any(item.model == model and item.state == "ready" for item in loaded(endpoint))


def unload(endpoint: Endpoint, model: str | None = None) -> None:
    """Unload one model, or all, and make sure that it stays away.

    A swap that was waiting when the unload came brings its model up afterwards, so the list is
    looked at again until it has been right for a while.
    """
    for _ in range(TRIES):
        _unload(endpoint, model)
        if _stays_away(endpoint, model):
            return
    raise InputError(
        Diagnostic(
            "operate.still-loaded",
            f"`{model or 'a model'}` comes back after every unload",
            hint="clients keep asking for it; stop them, or `llmgen down`",
        )
    )


def _unload(endpoint: Endpoint, model: str | None) -> None:
    path = f"/api/models/unload/{quote(model, safe='/:')}" if model else "/api/models/unload"
    got = request(endpoint, "POST", path, limits=SLOW)
    if got.status_code in (404, 405) and model is None:
        # Before the API had it; still there in today's.
        path = "/unload"
        got = request(endpoint, "GET", path, limits=SLOW)
    if got.status_code != 200:
        raise InputError(refused(endpoint, path, got.status_code, got.text))


def _stays_away(endpoint: Endpoint, model: str | None) -> bool:
    end = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < end:
        if any(model in (None, item.model) for item in loaded(endpoint)):
            return False
        time.sleep(POLL_SECONDS)
    return True


def _loaded(item: Mapping[str, object]) -> Loaded:
    url = str(item.get("proxy", ""))
    return Loaded(
        str(item.get("model", "")),
        str(item.get("state", "")),
        str(item.get("cmd", "")),
        # The servers' key goes there.
        url=url if _HERE.fullmatch(url) else "",
        ttl=ttl if isinstance(ttl := item.get("ttl"), int) else 0,
    )
