"""Ask running models for a few tokens, and count the pieces in which the answer comes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from llmgen.config.config import Config
from llmgen.errors import Diagnostic, InputError, Severity
from llmgen.gateway.addresses import in_url, nearest
from llmgen.library import Keep
from llmgen.operate.engines.engine import engine
from llmgen.operate.engines.front import front
from llmgen.operate.engines.server import Endpoint, local, secret
from llmgen.operate.status.rows import ModelStatus, ServiceStatus
from llmgen.plan.plan import Placement, Plan
from llmgen.units import MIB
from llmgen.web.completion import completion
from llmgen.web.limits import Limits

TOKENS = 8
# A few tokens of a model that is loaded already, behind whatever else it answers.
PROBE = Limits(120.0, size_bytes=4 * MIB, depth=0)
_CHATS = ("chat", "vision")


class Probe(Struct, frozen=True):
    """One answer: by which way it came, in how many events with text, and when the first was there.

    ``error`` is empty where a whole answer came.
    """

    model: str
    way: str
    chunks: int = 0
    tokens: int = 0
    first_seconds: float = 0.0
    error: str = ""


def probes(
    plan: Plan, models: Sequence[ModelStatus], services: Sequence[ServiceStatus]
) -> Iterator[Probe]:
    """Each chat model that is in memory, by its own server or engine, and by the gateway."""
    ready = {row.name for row in models if row.state in ("ready", "loaded")}
    contained = plan.library.config.services.runtime != "native"
    # Of containers only the front is published.
    gateway = None if contained else _gateway(plan.library.config, services)
    for item in plan.placements:
        if item.name in ready and item.model.role in _CHATS:
            yield _probe(item.name, *_server(plan, item))
            if gateway is not None:
                yield _probe(item.name, "Envoy", gateway)


def remarks(found: Sequence[Probe]) -> Iterator[Diagnostic]:
    """What is wrong with the answers."""
    for item in found:
        if item.error:
            yield Diagnostic(
                "status.probe-failed",
                f"`{item.model}` by {item.way} gives no whole answer: {item.error}",
                hint="`llmgen logs` shows what the server says",
            )
        elif item.chunks <= 1 < item.tokens:
            yield Diagnostic(
                "status.one-piece",
                f"`{item.model}` by {item.way} sends {item.tokens} tokens in one piece",
                hint="something between keeps the stream back until its end",
                severity=Severity.WARNING,
            )


def _server(plan: Plan, item: Placement) -> tuple[str, Endpoint]:
    config = plan.library.config
    if config.services.runtime != "native":
        return "what is published", front(plan, item)
    if item.keep is Keep.ALWAYS:
        key = secret(config.services.api_key, config)
        return "its own server", local("127.0.0.1", item.port, key)
    found = engine(config)
    return found.name, found.endpoint


def _gateway(config: Config, services: Sequence[ServiceStatus]) -> Endpoint | None:
    envoy = config.gateway.envoy
    runs = any(row.name == "envoy" and row.health == "ok" for row in services)
    if not envoy.enable or not runs or envoy.tls is not None:
        return None
    key = secret(envoy.api_keys[0].secret, config) if envoy.api_keys else ""
    return Endpoint(f"http://{in_url(nearest(envoy.listen))}:{envoy.port}", key)


def _probe(model: str, way: str, endpoint: Endpoint) -> Probe:
    import httpx  # noqa: PLC0415 - costs more than most commands take

    message = {"role": "user", "content": "Count to ten."}
    body: dict[str, Any] = {
        "model": model,
        "messages": [message],
        "max_tokens": TOKENS,
        "stream_options": {"include_usage": True},
    }
    started, first, chunks, tokens = time.perf_counter(), 0.0, 0, 0
    try:
        for event in completion(
            f"{endpoint.url}/v1/chat/completions", body, endpoint.headers, PROBE
        ):
            if _has_text(event):
                chunks += 1
                first = first or time.perf_counter() - started
            tokens = _tokens(event) or tokens
    except (httpx.HTTPError, InputError) as error:
        return Probe(model, way, error=str(error) or type(error).__name__)
    return Probe(model, way, chunks, tokens, round(first, 3))


def _has_text(event: dict[str, Any]) -> bool:
    match event:
        case {"choices": [{"delta": dict() as delta}, *_]}:
            return bool(delta.get("content") or delta.get("reasoning_content"))
        case _:
            return False


def _tokens(event: dict[str, Any]) -> int:
    match event:
        case {"usage": {"completion_tokens": int() as tokens}}:
            return tokens
        case _:
            return 0
