"""AIGatewayRoutes: each name of a model leads to its server, as many rules in each as it takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from llmgen.cluster.fronts import spoken
from llmgen.gateway.routes import BodyEdit, Route
from llmgen.targets.kubernetes.gateways.ai_backends import AiServer
from llmgen.targets.kubernetes.gateways.front import Front, route_spec
from llmgen.targets.kubernetes.gateways.route_limits import Rules, routes_of
from llmgen.targets.kubernetes.names import Object

MODEL: Final = "x-ai-eg-model"
# An AIGatewayRoute has 15 rules and becomes an HTTPRoute, which has 64 matches a rule and fewer
# than 128 in all, its own last rule among them.
_RULES: Final = 15
_MATCHES: Final = 120
_NAMES: Final = 32
# Envoy refuses expressions of more than 100 instructions, about one for each character.
_LONGEST: Final = 80
_COSTS: Final = {
    "llm_input_token": "InputToken",
    "llm_output_token": "OutputToken",
    "llm_cached_input_token": "CachedInputToken",
    "llm_total_token": "TotalToken",
}


def routes(front: Front, servers: Mapping[str, AiServer]) -> Iterator[Object]:
    """The routes; those of a backend that has no server are left out."""
    mine, known = _by_backend(front), _known(front)
    groups = (
        group
        for name, server in servers.items()
        for group in _rules(front, server, mine.get(name, []), known)
    )
    for name, rules in routes_of(groups, rules=_RULES, matches=_MATCHES):
        costs = [{"metadataKey": key, "type": kind} for key, kind in _COSTS.items()]
        yield {
            "apiVersion": "aigateway.envoyproxy.io/v1beta1",
            "kind": "AIGatewayRoute",
            "metadata": front.meta(name),
            "spec": {**route_spec(front, rules), "llmRequestCosts": costs},
        }


def _by_backend(front: Front) -> dict[str, list[Route]]:
    """What leads to each backend, by the first kind of endpoint that it is reached by."""
    found: dict[str, list[Route]] = {}
    for route in front.routes.routes:
        kind = None if route.nameless else spoken(route.backend)
        if kind is not None and route.kind.name == kind[0]:
            found.setdefault(route.backend.name, []).append(route)
    return found


def _rules(
    front: Front, server: AiServer, found: Sequence[Route], known: Mapping[str, str]
) -> Iterator[Rules]:
    """The rules of a server, those in any letters beside the others of the same names."""
    folded = [route for item in found if item.any_case for route in _apart(item, known)]
    for route in (item for item in found if not item.any_case):
        for at in range(0, len(route.names), _NAMES):
            names = route.names[at : at + _NAMES]
            rules = [_rule(front, server, route.edit, [*_as_written(route, names)])]
            for other in (item for item in folded if _same(route, item)):
                mine = [name for name in names if name in other.names and len(name) <= _LONGEST]
                matches = [_match(f"(?i){_literal(name)}", exact=False) for name in mine]
                rules += [_rule(front, server, other.edit, matches)] if matches else []
            yield rules


def _same(written: Route, folded: Route) -> bool:
    """Whether a route is another one's in any letters."""
    return written.label == folded.label and written.edit.append == folded.edit.append


def _apart(route: Route, known: Mapping[str, str]) -> Iterator[Route]:
    """A server that knows all its names hears each of them as it is written, variants' too."""
    if not route.backend.knows_aliases:
        yield route
        return
    groups: dict[str, list[str]] = {}
    for name in route.names:
        groups.setdefault(known.get(name, route.edit.model), []).append(name)
    for model, names in groups.items():
        yield replace(route, names=tuple(names), edit=BodyEdit(model, route.edit.append))


def _known(front: Front) -> dict[str, str]:
    """Names behind engines, by which of them the engine does the same."""
    found: dict[str, str] = {}
    for app in front.scene.serving:
        for placed in app.plan.placements:
            model = placed.model
            found |= dict.fromkeys((model.name, *model.aliases), model.name)
            for name, variant in model.variants.items():
                found |= dict.fromkeys((name, *variant.aliases), name)
    return found


def _as_written(route: Route, names: Sequence[str]) -> Iterator[Object]:
    """Exact matches are what `/v1/models` lists; names that are not listed are expressions."""
    hidden = {*route.backend.spellings}
    hidden |= {name for item in route.backend.variants for name in item.spellings}
    for name in names:
        listed = name not in hidden and not route.backend.unlisted
        if listed or len(name) > _LONGEST:
            yield _match(name, exact=True)
        else:
            yield _match(_literal(name), exact=False)


def _literal(name: str) -> str:
    """A name as an expression; letters, digits and _ : / - stand for themselves."""
    return name.replace(".", r"\.")


def _match(value: str, *, exact: bool) -> Object:
    kind = "Exact" if exact else "RegularExpression"
    return {"headers": [{"name": MODEL, "type": kind, "value": value}]}


def _rule(front: Front, server: AiServer, edit: BodyEdit, matches: list[Object]) -> Object:
    backend: Object = {"name": server.name, "weight": 1, "priority": 0}
    if edit.model:
        backend["modelNameOverride"] = edit.model
    if edit.append:
        members = json.loads(f"{{{edit.append}}}")
        backend["bodyMutation"] = {
            "set": [{"path": key, "value": json.dumps(value)} for key, value in members.items()]
        }
    return {
        "matches": matches,
        "backendRefs": [backend],
        "timeouts": {"request": front.request_timeout},
        "modelsOwnedBy": "llmgen",
    }
