"""The plan as one value for ``show``: what JSON prints and what the tables are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from llmgen.budget.memory import DeviceMemory, HostMemory
from llmgen.engines.loaders import loader_of, table_of
from llmgen.facts.card import card, in_words
from llmgen.gateway.addresses import host_name, in_url
from llmgen.library import Keep
from llmgen.operate.status.pages import pages
from llmgen.plan.basis import basis_of, resting
from llmgen.plan.explain import engine_words
from llmgen.plan.plan import Headroom, Placement, Plan, Pool
from llmgen.plan.pools import backend_bytes
from llmgen.plan.price import StepBack
from llmgen.targets.containers.published_ports import published
from llmgen.targets.containers.shares import HostShare, shares


class Parts(Struct, frozen=True):
    """What a pool's peak is made of, in bytes.

    ``other`` is all that is neither weights nor context nor compute buffers: margins, prompt
    caches, the backend's own, and models whose parts nobody knows.
    """

    weights: int = 0
    context: int = 0
    compute: int = 0
    other: int = 0


class PoolView(Struct, frozen=True):
    """One memory pool and its worst state, in bytes."""

    host: str
    name: str
    views: tuple[str, ...]
    capacity: int
    reserve: int
    budget: int
    peak: int
    free: int
    state: tuple[str, ...]
    parts: Parts


class ReasonView(Struct, frozen=True):
    """A value that the planner settled, and why."""

    key: str
    value: str
    why: str


class ModelView(Struct, frozen=True):
    """One model: names, place, context, memory in bytes."""

    name: str
    role: str
    host: str
    keep: str
    pinned: bool
    preload: bool
    names: tuple[str, ...]
    port: int
    devices: tuple[str, ...]
    n_ctx: int
    n_ctx_seq: int
    parallel: int
    cache_type_k: str
    cache_type_v: str
    exact: bool
    engine: str
    basis: dict[str, str]
    memory: tuple[DeviceMemory, ...]
    host_memory: HostMemory
    margin: dict[str, int]
    backend: dict[str, int]
    footprint: dict[str, int]
    total: int
    file: str
    size: int
    card: tuple[str, ...]
    ttl: int
    argv: tuple[str, ...]
    reasons: tuple[ReasonView, ...]


class StateView(Struct, frozen=True):
    """Models that can be in memory together, with the sum for each pool in bytes."""

    models: tuple[str, ...]
    peaks: dict[str, int]


class EndpointView(Struct, frozen=True):
    """Where clients connect."""

    name: str
    url: str
    enabled: bool


class PageView(Struct, frozen=True):
    """A page for a browser, while its program runs."""

    name: str
    url: str
    shows: str


class PlanView(Struct, frozen=True):
    """Everything that ``show`` says."""

    host: str
    profile: str
    backend: str
    os: str
    build: int
    llama_swap: int
    engine: str
    engine_detail: str
    complete: bool
    override: str
    pools: tuple[PoolView, ...]
    models: tuple[ModelView, ...]
    states: tuple[StateView, ...]
    resting: str
    endpoints: tuple[EndpointView, ...]
    steps: tuple[StepBack, ...] = ()
    containers: tuple[HostShare, ...] = ()
    pages: tuple[PageView, ...] = ()


def view(plan: Plan, steps: Iterable[StepBack] = ()) -> PlanView:
    """The plan as plain values, with what steps of open values would buy."""
    library = plan.library
    return PlanView(
        host=library.machine.host,
        profile=library.machine.profile,
        backend=library.machine.backend,
        os=library.machine.os,
        build=library.build,
        llama_swap=library.swap_version,
        engine=library.config.services.on_demand,
        engine_detail=engine_words(plan.engines.get(library.machine.host)),
        complete=getattr(plan.engines.get(library.machine.host), "complete", True),
        override=plan.excused,
        pools=tuple(_pool(item, _parts(item, plan.placements)) for item in plan.headroom),
        models=tuple(_model(item, plan) for item in plan.placements),
        states=tuple(StateView(item.models, dict(item.peaks)) for item in plan.states),
        resting=resting(plan),
        endpoints=tuple(_endpoints(plan)),
        steps=tuple(steps),
        containers=shares(plan),
        pages=tuple(PageView(item.name, item.url, item.shows) for item in pages(plan)),
    )


def _parts(item: Headroom, placements: Sequence[Placement]) -> Parts:
    held = [
        memory
        for placement in placements
        if placement.model.name in item.state
        for memory in placement.estimate.memory
        if memory.device in item.pool.views
    ]
    weights = sum(memory.model for memory in held)
    context = sum(memory.context for memory in held)
    compute = sum(memory.compute for memory in held)
    return Parts(weights, context, compute, item.peak_bytes - weights - context - compute)


def _pool(item: Headroom, parts: Parts) -> PoolView:
    pool = item.pool
    return PoolView(
        host=pool.host,
        name=pool.name,
        views=pool.views,
        capacity=pool.capacity_bytes,
        reserve=pool.reserve_bytes,
        budget=pool.budget_bytes,
        peak=item.peak_bytes,
        free=item.free_bytes,
        state=item.state,
        parts=parts,
    )


def _model(item: Placement, plan: Plan) -> ModelView:
    model, estimate = item.model, item.estimate
    return ModelView(
        name=model.name,
        role=model.role,
        host=item.host,
        keep=item.keep.value,
        pinned=model.pin,
        preload=model.preload,
        names=model.names,
        port=item.port,
        devices=item.settings.devices,
        n_ctx=estimate.n_ctx,
        n_ctx_seq=estimate.n_ctx_seq,
        parallel=item.settings.parallel,
        cache_type_k=item.settings.cache_type_k,
        cache_type_v=item.settings.cache_type_v,
        exact=estimate.exact,
        engine=model.engine.name,
        basis={item.device: basis_of(estimate, item.device).value for item in estimate.memory},
        memory=estimate.memory,
        host_memory=estimate.host,
        margin=dict(estimate.margin),
        backend=backend_bytes(item, plan.library.machine),
        footprint=dict(item.footprint),
        total=_total(item, plan.pools),
        file=str(model.path) if model.is_llama else (model.served.model if model.served else ""),
        size=model.facts.size_bytes,
        card=(
            *in_words(card(model.facts), embeds=model.role == "embedding", scores=model.scores),
            *model.notes,
        ),
        ttl=model.ttl_seconds if item.keep is Keep.ON_DEMAND else 0,
        argv=item.argv,
        reasons=tuple(ReasonView(why.key, why.value, why.why) for why in item.reasons),
    )


def _total(item: Placement, pools: Sequence[Pool]) -> int:
    """The model's bytes on all devices: pools that charge the same device count once."""
    here = [pool for pool in pools if pool.name in item.footprint and pool.host == item.host]
    total, seen = 0, set[str]()
    for pool in sorted(here, key=lambda pool: -len(pool.views)):
        if seen.isdisjoint(pool.views):
            total += item.footprint[pool.name]
            seen.update(pool.views)
    return total


def _endpoints(plan: Plan) -> list[EndpointView]:
    """Every front and engine; in containers what is not published has its name among them."""
    config = plan.library.config
    envoy, litellm, services = config.gateway.envoy, config.gateway.litellm, config.services
    native = services.runtime == "native"
    out = {item.service for item in published(plan)}

    def url(service: str, listen: str, port: int, scheme: str = "http") -> str:
        host = listen if native or service in out else host_name(service)
        return f"{scheme}://{in_url(host)}:{port}/v1"

    scheme, first = "https" if envoy.tls else "http", envoy.listen[0]
    found = [
        EndpointView("envoy", url("envoy", first, envoy.port, scheme), envoy.enable),
        EndpointView("litellm", url("litellm", litellm.listen, litellm.port), litellm.enable),
    ]
    loader, own = loader_of(services), table_of(services)
    if own is not None:
        at = url(loader.service, own.listen, own.port)
        found.append(EndpointView(loader.title, at, enabled=True))
    page = config.apps.open_webui
    if page.enable:
        at = f"http://{in_url(page.listen)}:{page.port}"
        found.append(EndpointView("open-webui", at, enabled=True))
    # In containers nothing is rendered that is not there.
    return [item for item in found if native or item.enabled]
