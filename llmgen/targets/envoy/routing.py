"""Routes as Envoy lays them out: matches, answers of the gateway's own, the list of models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from llmgen.gateway.backends import Backend
from llmgen.gateway.listing import document, entries
from llmgen.gateway.routes import Group, Route, RouteTable
from llmgen.targets.envoy.errors import INVALID, ErrorBody

# How many names the answer to an unknown one lists; GET /v1/models has them all.
NAMED = 60

UNREADABLE = ErrorBody(
    "The request body is not JSON that the gateway can read: `content-type: application/json`, "
    "UTF-8, and integers within 64 signed bits.",
    INVALID,
    "invalid_json",
)
NAMELESS = ErrorBody(
    "`model` has to be the name of a model, as text. See GET /v1/models.",
    INVALID,
    "invalid_type",
    "model",
)


class RouteView(Struct, frozen=True):
    """One route: requests on ``paths`` whose ``metadata`` is one of ``matchers``.

    A ``form`` is any request in which no model was found yet: the script looks for one there.
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
    edit: dict[str, Any]
    form: bool


class Answer(Struct, frozen=True):
    """An answer that the gateway gives itself."""

    status: int
    error: ErrorBody
    paths: str = ""
    prefix: str = ""
    method: str = ""
    problem: str = ""
    allow: str = ""
    readable: bool = True


class GroupView(Struct, frozen=True):
    """All of one kind of endpoint; ``answers`` come after ``routes``."""

    routes: tuple[RouteView, ...]
    answers: tuple[Answer, ...]


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
    return tuple(
        GroupView(tuple(_route(item, group) for item in group.routes), tuple(_answers(group)))
        for group in table.groups
    )


def listing(backends: tuple[Backend, ...]) -> Listing:
    """The list of models, under both of its paths, and each model alone."""
    found = entries(backends)
    whole = json.dumps(document(found))
    pages = (
        Page("safe_regex", "(/v1)?/models", whole),
        *(Page("path", f"/v1/models/{item['id']}", json.dumps(item)) for item in found),
    )
    return Listing(pages, max(4096, *(len(page.body) for page in pages)))


def last_answers() -> tuple[Answer, ...]:
    """What is said about everything else."""
    return (
        Answer(
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
        Answer(
            404,
            ErrorBody("No model of this gateway has this endpoint.", INVALID, "unknown_endpoint"),
            prefix="/",
        ),
    )


def _route(route: Route, group: Group) -> RouteView:
    named, form = bool(route.names), route.nameless and route.kind.multipart
    return RouteView(
        label=route.label,
        paths=route.paths or route.kind.paths,
        metadata="model" if named else "problem",
        matchers=route.names if named else () if form else ("missing",),
        any_case=route.any_case,
        cluster=route.backend.name,
        aside=route.kind.aside,
        authority=route.backend.authority,
        rewrite=route.rewrite,
        edit={"form": group.renamed} if form else _edit(route),
        form=form,
    )


def _edit(route: Route) -> dict[str, str]:
    # The script puts the name between the quotes that are there.
    found = {
        "model": json.dumps(route.edit.model)[1:-1] if route.edit.model else "",
        "append": route.edit.append,
        # What metadata cannot hold counts as missing: the script tells the two apart.
        "nameless": "true" if route.nameless else "",
    }
    return {key: value for key, value in found.items() if value}


def _answers(group: Group) -> Iterator[Answer]:
    kind = group.kind
    unknown = Answer(
        404,
        ErrorBody(_unknown(group.names), INVALID, "model_not_found", "model"),
        kind.paths,
        method="POST",
        readable=kind.readable,
    )
    if not kind.multipart:
        for error, problem in ((UNREADABLE, "unparsable"), (NAMELESS, "nameless")):
            yield replace(unknown, status=400, error=error, problem=problem)
    yield unknown
    wrong = ErrorBody("Use POST for this endpoint.", INVALID, "method_not_allowed")
    yield Answer(405, wrong, kind.paths, allow="POST")


def _unknown(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    known = ", ".join(names[:NAMED])
    return (
        "The model `%DYNAMIC_METADATA(llm:model)%` does not exist for this endpoint. "
        f"Known models: {known}{more}. See GET /v1/models."
    )
