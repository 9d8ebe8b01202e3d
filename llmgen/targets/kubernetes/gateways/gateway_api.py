"""Routes of the Gateway API: to our own Envoy, which reads bodies, or by path and header."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.targets.kubernetes.gateways.by_header import MODEL, by_header
from llmgen.targets.kubernetes.gateways.front import NAME, Front, gateway, http_route, service
from llmgen.targets.kubernetes.names import Object
from llmgen.targets.kubernetes.scene import App


def objects(front: Front) -> Iterator[Object]:
    """The Gateway and its HTTPRoutes."""
    yield gateway(front)
    first = _first(front)
    if first is None:
        yield from by_header(front, MODEL, {})
        return
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": [service(first.name, first.container.port)],
        "timeouts": {"request": front.request_timeout},
    }
    yield http_route(front, NAME, [rule])


def _first(front: Front) -> App | None:
    """Envoy, else LiteLLM: it has the models' names, the keys and the limits."""
    gateways = {app.name: app for app in front.scene.gateways}
    return gateways.get("envoy") or next(iter(gateways.values()), None)
