"""The servers behind a gateway: always on, on demand behind their engine, or external."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Literal
from urllib.parse import urlsplit

from msgspec import Struct, field

from llmgen.config.names import service_name
from llmgen.config.tables.gateway import External
from llmgen.config.tables.spares import ShownCertificate
from llmgen.engines.loaders import loader_of, table_of
from llmgen.gateway.addresses import at, bare, numeric
from llmgen.gateway.remotes import Remote, remote, servers
from llmgen.library import Keep, Library, Model
from llmgen.plan.plan import Placement, Plan
from llmgen.plan.process import NEVER_ASKED, health, reached, upstream

BackendLoader = Literal["", "llama_swap", "router", "external"]

# llama-server decides this itself when --parallel is -1 (tools/server, b9464 and later).
AUTO_SLOTS = 4
# Roles whose requests may carry a picture or a recording.
_PICTURES = frozenset({"vision", "image", "transcription"})


class BackendAddress(Struct, frozen=True):
    """Where a server listens."""

    host: str
    port: int

    @property
    def numeric(self) -> bool:
        """Whether no name has to be looked up."""
        return numeric(self.host)


class VariantNames(Struct, frozen=True):
    """Names that set request parameters: ``params`` are JSON members, without braces."""

    names: tuple[str, ...]
    params: str
    spellings: tuple[str, ...] = ()


class ModelBackend(Struct, frozen=True):
    """One model behind a gateway, with all servers that have it.

    ``engine`` "" is a server that has only this model and ignores the name. ``upstream`` is
    a name that the server insists on. ``secret`` names the key that it wants. ``health`` "" means
    that asking would say nothing about this model. ``context`` is what one request can use.
    ``spellings`` are names that answer without being listed.
    ``roles`` are all that it answers in (none: its ``role``), ``paths`` those that it has (none:
    all of its roles), ``moved`` its own path for a kind of endpoint. ``failover`` are servers
    elsewhere that are asked in turn, an external model's own before its others; a server that is
    ``told`` hears that a gateway asks. ``ca`` and ``shown`` are files of TLS, as llm.toml has
    them. ``swap`` is another machine's llama-swap. ``interceptor`` is the host that is asked
    instead, which starts a server where there is none.
    """

    name: str
    model: str
    role: str
    engine: BackendLoader
    endpoints: tuple[BackendAddress, ...]
    slots: int
    context: int | None
    title: str = ""
    aliases: tuple[str, ...] = ()
    spellings: tuple[str, ...] = ()
    variants: tuple[VariantNames, ...] = ()
    default: bool = False
    unlisted: bool = False
    upstream: str = ""
    secret: str = ""
    health: str = ""
    tls: bool = False
    prefix: str = ""
    authority: str = ""
    pictures: bool = False
    tools: bool = True
    knows_aliases: bool = False
    roles: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    moved: Mapping[str, str] = field(default_factory=dict)
    failover: tuple[Remote, ...] = ()
    told: bool = False
    swap: bool = False
    ca: str = ""
    shown: ShownCertificate | None = None
    interceptor: str = ""

    @property
    def serves(self) -> tuple[str, ...]:
        """Every role that it answers in, the usual first."""
        return self.roles or (self.role,)

    @property
    def known_as(self) -> str:
        """The name under which all servers of the model know it."""
        return self.upstream if self.engine == "external" and self.upstream else self.model

    @property
    def failover_name(self) -> str:
        """What all servers of the model are called together."""
        return f"failover/{self.model}"

    @property
    def spares(self) -> tuple[Remote, ...]:
        """The servers that are asked after its own."""
        return self.failover[1:] if self.engine == "external" else self.failover


def backends(plan: Plan) -> tuple[ModelBackend, ...]:
    """Every model of the plan, in order, then the external ones."""
    library = plan.library
    external = (_external(name, item, library) for name, item in library.external.items())
    return (*own_backends(plan), *external)


def own_backends(plan: Plan) -> tuple[ModelBackend, ...]:
    """Every model of the plan, in order."""
    return tuple(_placed(plan, item) for item in plan.placements)


def engine_of(plan: Plan) -> BackendLoader:
    """Who loads on-demand models."""
    name = plan.library.config.services.on_demand
    return "" if name == "none" else name


def engine_endpoint(plan: Plan) -> BackendAddress:
    """Where the engine listens, as the gateway reaches it; ValueError where there is none."""
    services = plan.library.config.services
    table = table_of(services)
    if table is None:
        raise ValueError(services.on_demand)
    return BackendAddress(
        at(plan.library, loader_of(services).service, (table.listen,)), table.port
    )


def _placed(plan: Plan, placement: Placement) -> ModelBackend:
    model, always = placement.model, placement.keep is Keep.ALWAYS
    engine: BackendLoader = "" if always else engine_of(plan)
    host = at(plan.library, service_name(model.name))
    first = _direct(placement, host) if always else engine_endpoint(plan)
    slots = placement.settings.parallel
    before = _interceptor(plan, model) if always else None
    return ModelBackend(
        name=f"model/{model.name}",
        model=model.name,
        role=model.role,
        engine=engine,
        endpoints=(before or first, *(_address(text) for text in model.replicas)),
        slots=slots if slots > 0 else AUTO_SLOTS,
        context=placement.estimate.n_ctx_seq or None,
        title=model.title,
        aliases=model.aliases,
        spellings=plan.library.spellings((model.name, *model.aliases)),
        variants=tuple(_variants(placement, plan.library)),
        default=model.default,
        unlisted=model.unlisted,
        # llama-swap tells its servers the name itself.
        upstream=upstream(model) if always else "",
        secret=_secret(plan, engine, model),
        # Whoever asks an interceptor keeps the server awake.
        health=_health(model) if before is None and (always or model.replicas) else "",
        pictures=model.mmproj_path is not None or bool({*model.serves} & _PICTURES),
        tools=model.calls_tools if model.served else model.options.jinja is not False,
        roles=model.serves,
        paths=model.engine.paths,
        moved=model.engine.moved,
        failover=tuple(map(remote, model.failover)),
        prefix=urlsplit(reached(model, placement.port, host)).path.rstrip("/") if always else "",
        interceptor=before.host if before is not None else "",
    )


def _interceptor(plan: Plan, model: Model) -> BackendAddress | None:
    """What is asked instead of the model's server."""
    around = plan.library.contained
    told = around.interceptors.get(model.name) if around is not None else None
    return _address(told) if told is not None else None


def _direct(placement: Placement, host: str) -> BackendAddress:
    """Where an always-on server is reached."""
    if placement.model.is_plain:
        return BackendAddress(host, placement.port)
    parts = urlsplit(reached(placement.model, placement.port, host))
    return BackendAddress(parts.hostname or "", parts.port or 80)


def _health(model: Model) -> str:
    found = health(model)
    return "" if found == NEVER_ASKED else found


def _variants(placement: Placement, library: Library) -> Iterator[VariantNames]:
    for name, variant in placement.model.variants.items():
        members = json.dumps(variant.params, separators=(",", ":"))[1:-1]
        names = (name, *variant.aliases)
        yield VariantNames(names, members, library.spellings(names))


def _secret(plan: Plan, engine: BackendLoader, model: Model) -> str:
    services = plan.library.config.services
    # Without keys of its own llama-swap hands on what it is sent, and its servers want theirs.
    if engine == "llama_swap" and services.llama_swap.api_keys:
        return "llama-swap"
    if engine == "router" and services.router.api_keys:
        return "router"
    return "llama-server" if services.api_key and model.engine.key_variable else ""


def _external(name: str, item: External, library: Library) -> ModelBackend:
    parts = urlsplit(item.endpoint)
    tls = parts.scheme == "https"
    return ModelBackend(
        name=f"external/{name}",
        model=name,
        role=item.role,
        engine="external",
        endpoints=(BackendAddress(parts.hostname or "", parts.port or (443 if tls else 80)),),
        slots=item.slots,
        context=item.ctx_size,
        aliases=item.aliases,
        spellings=library.spellings((name, *item.aliases)),
        upstream=item.upstream_model or "",
        knows_aliases=item.knows_aliases,
        secret=f"external.{name}" if item.api_key else "",
        tls=tls,
        prefix=parts.path.rstrip("/").removesuffix("/v1"),
        authority=parts.netloc.rpartition("@")[2],
        pictures=item.role in ("vision", "image", "transcription"),
        failover=tuple(map(remote, servers(item))) if item.failover else (),
        default=item.default,
        swap=item.server == "llama_swap",
        told=item.knows_aliases or bool(item.failover),
        ca=item.ca or "",
        shown=item.client_tls,
    )


def _address(text: str) -> BackendAddress:
    host, _, port = text.rpartition(":")
    return BackendAddress(bare(host), int(port))
