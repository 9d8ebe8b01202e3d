"""How kubelet asks whether a server answers, which knows that a large model takes time to load."""

from __future__ import annotations

from llmgen.plan.process import NEVER_ASKED, health
from llmgen.targets.kubernetes.names import Object, literal
from llmgen.targets.kubernetes.scene import App

# A loading server is asked so often; what is up, seldom: /health waits while all threads are busy
# (ggml-org/llama.cpp#20684).
_START_SECONDS = 5
_READY_SECONDS = 10
_LIVE_SECONDS = 30
# Without an answer for so many looks it is ended: five minutes.
_LIVE_FAILURES = 10


def probes(app: App) -> Object:
    """startupProbe, readinessProbe and livenessProbe; nothing where nobody can be asked."""
    asked = _asked(app)
    if asked is None:
        return {}
    container = app.container
    seconds = container.health.start_seconds if container.health else container.start_seconds
    tries = -(-seconds // _START_SECONDS)
    return {
        "startupProbe": _probe(asked, _START_SECONDS, 5, max(tries, 6)),
        "readinessProbe": _probe(asked, _READY_SECONDS, 5, 3),
        "livenessProbe": _probe(asked, _LIVE_SECONDS, 10, _LIVE_FAILURES),
    }


def _asked(app: App) -> Object | None:
    if app.container.health is None:
        return None
    match app.unit.kind:
        case "model":
            page = health(app.plan.placements[0].model)
            return None if page == NEVER_ASKED else _get(page, app.container.port)
        case "swap" | "router":
            return _get("/health", app.container.port)
        case "gateway":
            # Envoy's own page is on loopback, where kubelet is not.
            return {"exec": {"command": [*map(literal, app.container.health.argv)]}}


def _get(page: str, port: int) -> Object:
    return {"httpGet": {"path": page, "port": port, "scheme": "HTTP"}}


def _probe(asked: Object, every: int, timeout: int, failures: int) -> Object:
    """All fields: what the server would fill in is written, so that nothing drifts."""
    return {
        **asked,
        "failureThreshold": failures,
        "periodSeconds": every,
        "successThreshold": 1,
        "timeoutSeconds": timeout,
    }
