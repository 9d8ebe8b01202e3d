"""Routes as Envoy lays them out: matches, answers of the gateway's own, the list of models."""

from __future__ import annotations

import json
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from llmgen.gateway.backends import ModelBackend
from llmgen.gateway.listing import document, entries
from llmgen.gateway.routes import Route, RouteGroup, RouteTable
from llmgen.targets.envoy.errors import INVALID, ErrorBody

# The variable of Envoy's pod with its namespace, in which the Services of interceptors are.
NAMESPACE = "NAMESPACE"
# How many names the answer to an unknown one lists; GET /v1/models has them all.
NAMED = 60

UNREADABLE = ErrorBody(
    "The request body is not a JSON object, or it is nested more than 1000 deep.",
    INVALID,
    "invalid_json",
)
NAMELESS = ErrorBody(
    "`model` has to be the name of a model, as text. See GET /v1/models.",
    INVALID,
    "invalid_type",
    "model",
)
UNREAD = ErrorBody("The gateway has not read this request.", "server_error", "not_read")
LOOP = ErrorBody(
    "The request came through several gateways, and each of them takes the model for another's.",
    "server_error",
    "loop_detected",
)


class RouteView(Struct, frozen=True):
    """One route: requests on ``paths`` whose ``metadata`` is one of ``matchers``.

    A ``form`` is any request in which no model was found yet: the script looks for one there.
    ``edit`` is what the script changes in the body of such requests; from the answers of a route
    that ``counts`` it reads the tokens. ``interceptor`` is the `Host` by which an interceptor knows
    the server.
    """

    label: str
    paths: str
    metadata: str
    matchers: tuple[str, ...]
    any_case: bool
    cluster: str
    aside: bool
    authority: str
    rewrite: tuple[str, str] | None
    edit: dict[str, str]
    form: bool
    counts: bool
    asked: bool
    failover: bool
    told: bool
    model: str
    interceptor: str


class DirectResponse(Struct, frozen=True):
    """An answer that the gateway gives itself.

    ``unread`` is for a request of which no script has said anything yet; ``sorts`` is the script
    that looks for its model first; ``hops`` is for what has come through two gateways.
    """

    status: int
    error: ErrorBody
    paths: str = ""
    prefix: str = ""
    method: str = ""
    problem: str = ""
    allow: str = ""
    sorts: str = ""
    unread: bool = False
    hops: bool = False


class GroupView(Struct, frozen=True):
    """All of one kind of endpoint: what is here, then what is elsewhere.

    ``first`` has what is not read yet, ``between`` is said before a request goes elsewhere,
    ``answers`` come last.
    """

    first: tuple[DirectResponse, ...]
    here: tuple[RouteView, ...]
    between: tuple[DirectResponse, ...]
    routes: tuple[RouteView, ...]
    answers: tuple[DirectResponse, ...]


class Page(Struct, frozen=True):
    """A fixed answer to GET; ``match`` is ``path`` or ``safe_regex``."""

    match: str
    path: str
    body: str


class Listing(Struct, frozen=True):
    """The pages about models, and the largest of them in bytes."""

    pages: tuple[Page, ...]
    limit: int


def groups(table: RouteTable) -> tuple[GroupView, ...]:
    """Each kind's routes and answers."""
    return tuple(map(_group, table.groups))


def _group(group: RouteGroup) -> GroupView:
    first, answers = tuple(_first(group)), tuple(_answers(group))
    if not any(item.backend.told for item in group.routes):
        return GroupView(first, (), (), tuple(map(_route, group.routes)), answers)
    outside = [item for item in group.routes if item.backend.engine == "external"]
    here = [item for item in group.routes if item.backend.engine != "external"]
    script = "form" if group.kind.multipart else ""
    loop = DirectResponse(508, LOOP, group.kind.paths, method="POST", sorts=script, hops=True)
    return GroupView(first, tuple(map(_route, here)), (loop,), tuple(map(_route, outside)), answers)


def _first(group: RouteGroup) -> Iterator[DirectResponse]:
    # Until its model is known no other route fits a request: that is seen here, not at the end of
    # all of them. Of a form the route of the default model is the one.
    if not group.kind.multipart:
        yield DirectResponse(
            500, UNREAD, group.kind.paths, method="POST", sorts="json", unread=True
        )


def listing(backends: tuple[ModelBackend, ...]) -> Listing:
    """The list of models, under both of its paths, and each model alone."""
    found = entries(backends)
    whole = json.dumps(document(found))
    pages = (
        Page("safe_regex", "(/v1)?/models", whole),
        *(Page("path", f"/v1/models/{item['id']}", json.dumps(item)) for item in found),
    )
    return Listing(pages, max(4096, *(len(page.body) for page in pages)))


def last_answers() -> tuple[DirectResponse, ...]:
    """What is said about everything else."""
    return (
        DirectResponse(
            404,
            ErrorBody(
                "There is no model of this name. See GET /v1/models.",
                INVALID,
                "model_not_found",
                "model",
            ),
            prefix="/v1/models/",
            method="GET",
        ),
        DirectResponse(
            404,
            ErrorBody("No model of this gateway has this endpoint.", INVALID, "unknown_endpoint"),
            prefix="/",
        ),
    )


def _route(route: Route) -> RouteView:
    named, form = bool(route.names), route.nameless and route.kind.multipart
    return RouteView(
        label=route.label,
        paths=route.paths or route.kind.paths,
        metadata="model" if named else "problem",
        matchers=route.names if named else () if form else ("missing",),
        any_case=route.any_case,
        cluster=route.backend.failover_name if route.failover else route.backend.name,
        aside=route.kind.aside,
        authority="" if route.failover else route.backend.authority,
        rewrite=route.rewrite,
        edit=_edit(route),
        form=form,
        counts=route.kind.readable,
        asked=route.asked,
        failover=route.failover,
        told=route.failover or route.backend.told,
        model=_named_in_paths(route),
        interceptor=_host(route.backend),
    )


def _host(backend: ModelBackend) -> str:
    """The name of the interceptor's Service, with the namespace that Envoy itself is in."""
    return f"{backend.interceptor}.%ENVIRONMENT({NAMESPACE})%" if backend.interceptor else ""


def _named_in_paths(route: Route) -> str:
    """The model's name, where the servers in reserve have paths with it."""
    swap = any(item.swap for item in route.backend.failover)
    return route.backend.known_as.replace("%", "%%") if route.failover and swap else ""


def _edit(route: Route) -> dict[str, str]:
    # The script puts the name between the quotes that are there, or between the lines of a form.
    name = route.edit.model
    told = name if route.kind.multipart else json.dumps(name)[1:-1]
    found = {"model": told, "append": route.edit.append}
    return {key: value for key, value in found.items() if value}


def _answers(group: RouteGroup) -> Iterator[DirectResponse]:
    kind = group.kind
    unknown = DirectResponse(
        404,
        ErrorBody(_unknown(group.names), INVALID, "model_not_found", "model"),
        kind.paths,
        method="POST",
    )
    if not kind.multipart:
        for error, problem in ((UNREADABLE, "unparsable"), (NAMELESS, "nameless")):
            yield replace(unknown, status=400, error=error, problem=problem)
    yield unknown
    wrong = ErrorBody("Use POST for this endpoint.", INVALID, "method_not_allowed")
    yield DirectResponse(405, wrong, kind.paths, allow="POST")


def _unknown(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    known = ", ".join(names[:NAMED])
    return (
        "The model `%DYNAMIC_METADATA(llm:model)%` does not exist for this endpoint. "
        f"Known models: {known}{more}. See GET /v1/models."
    )
