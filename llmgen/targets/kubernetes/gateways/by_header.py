"""HTTPRoutes to the Services of models: by the path of what only they do, and by a header."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from llmgen.gateway.backends import ModelBackend
from llmgen.gateway.routes import Route
from llmgen.targets.kubernetes.gateways.front import Front, http_route, service
from llmgen.targets.kubernetes.gateways.route_limits import routes_of
from llmgen.targets.kubernetes.names import Object

# The model's name, as clients say it, or what the project of InferencePools reads from bodies
# (gateway-api-inference-extension, body-based-routing).
MODEL: Final = "x-llm-model"
READ: Final = "x-gateway-model-name"
# Where each kind of endpoint is; all others are those of text.
_PATHS: Final = {
    "text": ("/",),
    "embedding": ("/v1/embeddings", "/embeddings"),
    "embedding-own": ("/embedding",),
    "rerank": ("/v1/rerank", "/rerank", "/v1/reranking", "/reranking"),
    "speech": ("/v1/audio/speech",),
    "image": ("/v1/images/generations",),
    "image-form": ("/v1/images/edits", "/v1/images/variations"),
    "transcription": ("/v1/audio/transcriptions", "/v1/audio/translations"),
}
# Limits of an HTTPRoute: rules, and matches in one rule and in all (sigs.k8s.io/gateway-api v1.6).
_RULES, _IN_RULE, _MATCHES = 16, 64, 127


def by_header(front: Front, header: str, pools: Mapping[str, Object]) -> Iterator[Object]:
    """The routes; ``pools`` are what stands for a Service, by its name."""
    groups = (
        [rule]
        for route in front.routes.routes
        if route.kind.name in _PATHS and not route.any_case
        for rule in _rules(front, route, header, pools)
    )
    for name, rules in routes_of(groups, rules=_RULES, matches=_MATCHES):
        yield http_route(front, name, rules)


def _rules(
    front: Front, route: Route, header: str, pools: Mapping[str, Object]
) -> Iterator[Object]:
    """A rule for each path: with a name more is asked than without, so it is taken first."""
    if route.nameless and route.paths != route.kind.paths:
        return
    place = route.backend.endpoints[0]
    leads = pools.get(place.host) or service(place.host, place.port)
    for path in _PATHS[route.kind.name]:
        matches = [*_matches(path, header, route.names)]
        for at in range(0, len(matches), _IN_RULE):
            rule: Object = {
                "matches": matches[at : at + _IN_RULE],
                "backendRefs": [leads],
                "timeouts": {"request": front.request_timeout},
            }
            if changed := _changed(route, path):
                rule["filters"] = [{"type": "URLRewrite", "urlRewrite": {"path": changed}}]
            yield rule


def _matches(path: str, header: str, names: Iterable[str]) -> Iterator[Object]:
    told: Object = {"path": {"type": "PathPrefix", "value": path}}
    named = [
        {**told, "headers": [{"name": header, "type": "Exact", "value": name}]} for name in names
    ]
    yield from named or [told]


def _changed(route: Route, path: str) -> Object | None:
    """The server's own path, where it has another one."""
    backend: ModelBackend = route.backend
    if own := backend.moved.get(route.kind.name):
        under = f"/upstream/{backend.model}" if backend.engine == "llama_swap" else ""
        return {"type": "ReplaceFullPath", "replaceFullPath": f"{under}{own}"}
    if backend.prefix and backend.engine in ("", "external"):
        below = f"{backend.prefix}{path}".rstrip("/")
        return {"type": "ReplacePrefixMatch", "replacePrefixMatch": below}
    return None
