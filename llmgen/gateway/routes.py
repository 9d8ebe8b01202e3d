"""Which name goes to which server, for each kind of endpoint: from a plan to a route table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from llmgen.config.editions import EDITIONS
from llmgen.gateway.backends import ModelBackend, backends
from llmgen.gateway.endpoint_kinds import KINDS, EndpointKind
from llmgen.plan.plan import Plan


class BodyEdit(Struct, frozen=True):
    """What happens to a body on its way; every byte that is not named stays as it was.

    ``model`` replaces the name that the client sent; ``append`` are members added at the end,
    where they win over the client's own (llama-server and Go keep the last of two).
    """

    model: str = ""
    append: str = ""

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return bool(self.model or self.append)


class Route(Struct, frozen=True):
    """Requests of one kind with one of ``names`` go to ``backend``.

    Without ``names`` it is the kind's default, for requests on ``paths`` that name no model. With
    ``any_case`` capital and small letters of the names are the same. Of a backend with failover
    there are two: one for what another gateway ``asked``, which its own server alone answers, and
    one for everybody else, which has ``failover``.
    """

    kind: EndpointKind
    label: str
    backend: ModelBackend
    names: tuple[str, ...] = ()
    paths: str = ""
    edit: BodyEdit = BodyEdit()
    any_case: bool = False
    asked: bool = False
    failover: bool = False

    @property
    def nameless(self) -> bool:
        """Whether it is for bodies that name no model."""
        return not self.names

    @property
    def rewrite(self) -> tuple[str, str] | None:
        """Pattern and substitution for the path, when the backend needs one."""
        if self.failover:
            # Each of its servers has paths of its own.
            return None
        if own := self.backend.moved.get(self.kind.name):
            under = f"/upstream/{self.backend.model}" if self.backend.engine == "llama_swap" else ""
            return ("^/.*$", under + own)
        swap = self.backend.engine == "llama_swap" or self.backend.swap
        below = self.backend.prefix if self.backend.engine in ("", "external") else ""
        match self.kind.swap:
            case (pattern, substitution) if swap and not below:
                return (pattern, substitution)
            case "upstream" if swap:
                return ("^(/.*)$", rf"{below}/upstream/{self.backend.known_as}\1")
            case _:
                return ("^(/.*)$", rf"{below}\1") if below else None


class RouteGroup(Struct, frozen=True):
    """All routes of one kind, and the names that it is known to have."""

    kind: EndpointKind
    routes: tuple[Route, ...]
    names: tuple[str, ...]


class RouteTable(Struct, frozen=True):
    """Everything that a gateway routes; kinds without a model are left out."""

    groups: tuple[RouteGroup, ...]
    backends: tuple[ModelBackend, ...]

    @property
    def routes(self) -> tuple[Route, ...]:
        """All routes, in order."""
        return tuple(route for group in self.groups for route in group.routes)


def routes(plan: Plan) -> RouteTable:
    """The route table of a plan: models, variants and external servers."""
    found = backends(plan)
    folds = not EDITIONS[plan.library.config.edition].small_letters
    groups = (_group(kind, found, folds=folds) for kind in KINDS)
    return RouteTable(tuple(group for group in groups if group.routes), found)


def _group(kind: EndpointKind, found: tuple[ModelBackend, ...], *, folds: bool) -> RouteGroup:
    mine = tuple(item for item in found if _answers(item, kind))
    named = tuple(route for item in mine for route in _twice(kind, item))
    hidden = {name for item in mine for name in _spellings(item)}
    names = dict.fromkeys(name for route in named for name in route.names if name not in hidden)
    folded = _folded(named) if folds else ()
    return RouteGroup(kind, (*named, *folded, *_defaults(kind, mine)), tuple(names))


def _spellings(backend: ModelBackend) -> tuple[str, ...]:
    return (*backend.spellings, *(name for item in backend.variants for name in item.spellings))


def _answers(backend: ModelBackend, kind: EndpointKind) -> bool:
    """Whether a server has this kind of endpoint: one of its roles answers, on such a path."""
    if not {*backend.serves} & {*kind.roles}:
        return False
    own = (*backend.paths, *backend.moved.values())
    return not own or kind.name in backend.moved or any(re.fullmatch(kind.paths, p) for p in own)


def _twice(kind: EndpointKind, backend: ModelBackend) -> Iterator[Route]:
    """The routes; where there is failover, first for what another gateway has sent."""
    if not backend.failover:
        yield from _named(kind, backend)
        return
    yield from (replace(route, asked=True) for route in _named(kind, backend))
    if backend.engine == "external":
        yield from (replace(route, failover=True) for route in _named(kind, backend))
    else:
        yield from _everywhere(kind, backend)


def _everywhere(kind: EndpointKind, backend: ModelBackend) -> Iterator[Route]:
    """The same in words that every server understands, its own gateway among them."""
    label, aliases = f"{kind.name}/{backend.model}", (*backend.aliases, *backend.spellings)
    yield Route(kind, label, backend, (backend.model,), failover=True)
    edit = BodyEdit(model=backend.model)
    if aliases:
        yield Route(kind, label, backend, aliases, edit=edit, failover=True)
    for variant in backend.variants:
        yield Route(
            kind,
            f"{kind.name}/{variant.names[0]}",
            backend,
            (*variant.names, *variant.spellings),
            edit=replace(edit, append=variant.params),
            failover=True,
        )


def _named(kind: EndpointKind, backend: ModelBackend) -> Iterator[Route]:
    label = f"{kind.name}/{backend.model}"
    own, aliases = (backend.model,), (*backend.aliases, *backend.spellings)
    if backend.upstream:
        yield Route(kind, label, backend, (*own, *aliases), edit=BodyEdit(model=backend.upstream))
    elif backend.engine in ("router", "external") and aliases and not backend.knows_aliases:
        yield Route(kind, label, backend, own)
        yield Route(kind, label, backend, aliases, edit=BodyEdit(model=backend.model))
    else:
        yield Route(kind, label, backend, (*own, *aliases))
    for variant in backend.variants:
        yield Route(
            kind,
            f"{kind.name}/{variant.names[0]}",
            backend,
            (*variant.names, *variant.spellings),
            edit=_variant(backend, variant.params),
        )


def _folded(named: tuple[Route, ...]) -> Iterator[Route]:
    """The same for names in other letters, after all that are as written.

    Two models whose names differ by case alone are told apart: neither answers to a third spelling.
    """
    owners: dict[str, set[str]] = {}
    for route in named:
        for name in route.names:
            owners.setdefault(name.lower(), set()).add(route.label)
    for route in named:
        names = tuple(name for name in route.names if len(owners[name.lower()]) == 1)
        # Whoever has several models, or insists on a name, knows it as it is written.
        known = route.backend.engine or route.failover
        model = route.edit.model or (route.names[0] if known else "")
        if names:
            yield replace(
                route, names=names, edit=BodyEdit(model, route.edit.append), any_case=True
            )


def _variant(backend: ModelBackend, params: str) -> BodyEdit:
    """llama-swap sets the parameters of variants itself; every other server is sent them."""
    if backend.engine == "llama_swap":
        return BodyEdit()
    return BodyEdit(model=backend.model if backend.engine == "router" else "", append=params)


def _defaults(kind: EndpointKind, mine: tuple[ModelBackend, ...]) -> Iterator[Route]:
    backend = _default(mine, kind.roles)
    for paths, role in kind.prefer.items():
        preferred = _default(mine, (role,))
        if preferred is not None and preferred is not backend:
            yield from _fallback(kind, preferred, paths)
    if backend is not None:
        yield from _fallback(kind, backend, kind.paths)


def _fallback(kind: EndpointKind, backend: ModelBackend, paths: str) -> Iterator[Route]:
    route = Route(kind, f"{kind.name}/default", backend, paths=paths, edit=_name(kind, backend))
    # A form is not given a name, and each server may have another default.
    if kind.multipart or not backend.failover:
        yield route
        return
    yield replace(route, asked=True)
    name = json.dumps(backend.known_as)
    yield replace(route, failover=True, edit=BodyEdit(append=f'"model":{name}'))


def _default(mine: tuple[ModelBackend, ...], roles: tuple[str, ...]) -> ModelBackend | None:
    for role in roles:
        same = [item for item in mine if role in item.serves]
        if same:
            return next((item for item in same if item.default), same[0])
    return None


def _name(kind: EndpointKind, backend: ModelBackend) -> BodyEdit:
    """Several models live behind an engine: it has to be told which one."""
    if kind.multipart or not backend.engine:
        return BodyEdit()
    name = backend.upstream or backend.model
    return BodyEdit(append=f'"model":{json.dumps(name)}')
