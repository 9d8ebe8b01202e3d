"""From the whole llm.toml to a cluster: which pods there are, each planned by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

from msgspec import Struct

from llmgen.cluster import document as documents
from llmgen.cluster import fronts
from llmgen.cluster.cluster import Cluster, NodePool, Planned, PodSet, PodSetKind
from llmgen.cluster.devices import resource
from llmgen.cluster.findings import findings
from llmgen.cluster.kserve import PORT as KSERVE_PORT
from llmgen.cluster.kserve import is_text
from llmgen.cluster.origin import told_of
from llmgen.cluster.pool_nodes import node_of
from llmgen.cluster.seats import Alone, Seats
from llmgen.config.config import Config
from llmgen.config.editions import EDITIONS
from llmgen.config.names import service_name
from llmgen.config.tables.kubernetes import Kubernetes
from llmgen.config.tables.models import ModelTable
from llmgen.engines.loaders import ROUTER, loader_of
from llmgen.errors import ConfigError, Diagnostic, LlmgenError, PlanError
from llmgen.facts.lock_model import Lock
from llmgen.fleet.ground import library_of, typed_as
from llmgen.fleet.numbers_elsewhere import numbers
from llmgen.fleet.project import Document, Elsewhere, external
from llmgen.gateway.addresses import host_name
from llmgen.library import Keep
from llmgen.plan.place import place


class ClusterGround(Struct, frozen=True):
    """The whole file, typed and as it is written, its lock, and the documents of its pools.

    ``models`` are the tables of all models, as each pool has them.
    """

    config: Config
    table: Kubernetes
    document: Mapping[str, Any]
    lock: Lock
    nodes: Mapping[str, NodePool]
    pools: Mapping[str, Document]
    models: Mapping[str, Mapping[str, ModelTable]]


def cluster(config: Config, document: Mapping[str, Any], lock: Lock) -> Cluster:
    """Every pod planned; ConfigError and PlanError name the pool and the model."""
    ground = ground_of(config, document, lock)
    alone = cache(partial(_alone, ground))
    found = Seats(config, ground.models, ground.nodes, alone)
    for name in sorted(_served(config), key=lambda name: -config.models[name].priority):
        found.seat(name)
    units = [unit for pool in ground.pools for unit in _units(ground, pool, found.pool, alone)]
    order = {name: at for at, name in enumerate(config.models)}
    units.sort(key=lambda unit: (unit.kind != "model", order[unit.models[0]]))
    front = _front(ground, units)
    told = (note for unit in units for note in unit.plan.notes)
    notes = tuple(dict.fromkeys((*told, *fronts.notes(config, units))))
    gateway = (front,) if front is not None and _runs_gateway(config) else ()
    made = (*units, *gateway)
    return Cluster(ground.table, config, ground.nodes, made, found.reasons, notes, front, lock)


def ground_of(config: Config, document: Mapping[str, Any], lock: Lock) -> ClusterGround:
    """The nodes of all pools; ConfigError for what [kubernetes] says wrongly."""
    table = config.kubernetes
    if table is None:
        raise ValueError("llm.toml has no [kubernetes]")
    if errors := [*findings(config)]:
        raise ConfigError(errors)
    found, models, nodes = {}, {}, {}
    for name, pool in documents.pools(table).items():
        whole = documents.of_pool(document, name)
        # Where a pool says nothing else of models, their tables are those of the whole file.
        told = whole if pool.models else {**whole, "models": {}}
        own = _typed(told, name, document)
        models[name] = own.models if pool.models else config.models
        found[name] = _decided(whole, models[name], config)
        node = node_of(own, name, document)
        nodes[name] = NodePool(name, pool, node, resource(pool, node))
    return ClusterGround(config, table, document, lock, nodes, found, models)


def _served(config: Config) -> Iterator[str]:
    return (name for name, table in config.models.items() if table.enable)


def keep_of(config: Config, table: ModelTable) -> Keep:
    """When the model is in memory, as its own table or the edition says."""
    if table.keep is None and not loader_of(config.services).loads:
        return Keep.ALWAYS
    return Keep(table.keep or EDITIONS[config.edition].keep[table.role])


def _alone(ground: ClusterGround, pool: str, name: str) -> Planned:
    """The model in a pod of its own, with as few devices as it fits on."""
    node, table = ground.nodes[pool].node, ground.models[pool][name]
    most = len(node.devices)
    if table.nodes > 1:
        tries = [table.tensor_parallel_size or 1]
    elif node.unified or table.device == "auto":
        tries = [most]
    elif isinstance(table.device, tuple):
        tries = [len(table.device)]
    elif isinstance(table.tensor_split, tuple):
        tries = [len(table.tensor_split)]
    elif named := documents.devices_of(table.memory):
        tries = [len(named)]
    elif table.n_gpu_layers == 0:
        tries = [0]
    else:
        tries = [*range(1, most + 1)] if most else [0]
    tries = [min(count, most) for count in tries]
    for count in tries:
        try:
            if table.nodes > 1:
                return _grouped(ground, pool, name, count)
            return _planned(ground, pool, (name,), count)
        except (PlanError, ConfigError):
            if count == tries[-1]:
                raise
    raise ValueError(f"no number of devices for {name}")


def _planned(
    ground: ClusterGround, pool: str, names: Sequence[str], devices: int, *, stack: bool = False
) -> Planned:
    node = ground.nodes[pool].node
    made = documents.of_pod(ground.pools[pool], names, node, devices, stack=stack)
    return _placed(ground, pool, made, devices)


def _grouped(ground: ClusterGround, pool: str, name: str, devices: int) -> Planned:
    """A model over several nodes, with so many devices of each."""
    node, table = ground.nodes[pool].node, ground.models[pool][name]
    asked = table.tensor_parallel_size or 1
    if asked > len(node.devices):
        raise PlanError(
            Diagnostic(
                "kubernetes.nodes",
                f"on `{pool}`: `{name}` wants {asked} devices of each node, which has "
                f"{len(node.devices)}",
                ("models", name, "tensor_parallel_size"),
                hint="fewer devices and more nodes (`nodes`)",
            )
        )
    made = documents.of_group(ground.pools[pool], name, node, devices, table.nodes)
    return _placed(ground, pool, made, devices)


def _placed(ground: ClusterGround, pool: str, made: Document, devices: int) -> Planned:
    config = _typed(made, pool, ground.document)
    try:
        return Planned(made, config, place(library_of(config, ground.lock)), devices)
    except LlmgenError as error:
        told = [told_of(item, pool, ground.document) for item in error.diagnostics]
        raise type(error)(told) from None


def _decided(pool: Document, models: Mapping[str, ModelTable], config: Config) -> Document:
    """The pool's document in which each model says when it is in memory."""
    told = {name: {**pool["models"][name], **_kept(models[name], config)} for name in models}
    return {**pool, "models": told}


def _kept(table: ModelTable, config: Config) -> Document:
    """When the model is in memory, and where it listens if KServe says that."""
    keep = keep_of(config, table)
    style = config.kubernetes.style if config.kubernetes else "plain"
    port = style == "kserve" and keep is Keep.ALWAYS and is_text(table.role)
    return {"keep": keep.value, **({"port": KSERVE_PORT} if port else {})}


def _units(
    ground: ClusterGround, pool: str, seats: Mapping[str, str], alone: Alone
) -> Iterator[PodSet]:
    """The pods of a pool: of each always-on model, and of all that are loaded on demand."""
    mine = [name for name in ground.config.models if seats.get(name) == pool]
    if ground.nodes[pool].table.layout == "stack":
        if mine:
            most = len(ground.nodes[pool].node.devices)
            yield _unit(ground, pool, mine, _planned(ground, pool, mine, most, stack=True))
        return
    keeps = {name: keep_of(ground.config, ground.models[pool][name]) for name in mine}
    for name in mine:
        if keeps[name] is Keep.ALWAYS:
            yield _unit(ground, pool, (name,), alone(pool, name))
    demand = [name for name in mine if keeps[name] is Keep.ON_DEMAND]
    if demand:
        yield _unit(ground, pool, demand, _together(ground, pool, demand, alone))


def _together(ground: ClusterGround, pool: str, names: Sequence[str], alone: Alone) -> Planned:
    """On-demand models in one pod, with as few devices as all of them fit on, one at a time."""
    most = len(ground.nodes[pool].node.devices)
    least = max(alone(pool, name).devices for name in names)
    for count in range(least, most + 1):
        try:
            return _planned(ground, pool, names, count)
        except PlanError:
            if count == most:
                raise
    raise ValueError(f"no number of devices for {names}")


def _unit(ground: ClusterGround, pool: str, names: Sequence[str], made: Planned) -> PodSet:
    config, plan = made.config, made.plan
    first = plan.placements[0]
    kind: PodSetKind = "model"
    if first.keep is Keep.ON_DEMAND:
        kind = "router" if plan.loader is ROUTER else "swap"
    services = config.services
    name = host_name(service_name(first.name)) if kind == "model" else host_name(f"{kind}-{pool}")
    port = first.port
    if kind != "model":
        port = services.router.port if kind == "router" else services.llama_swap.port
    tables = [ground.models[pool][one] for one in names]
    copies = tables[0].hosts if kind == "model" else 1
    nodes = max(table.nodes for table in tables)
    return PodSet(
        name,
        kind,
        pool,
        copies,
        made.devices,
        made.document,
        config,
        plan,
        tuple(names),
        port,
        nodes,
    )


def _runs_gateway(config: Config) -> bool:
    return config.gateway.envoy.enable or config.gateway.litellm.enable


def _front(ground: ClusterGround, units: Sequence[PodSet]) -> PodSet | None:
    """Envoy, LiteLLM or the cluster's gateway; what engines load is external to its plan.

    Always-on servers are none of its models: who renders its files adds theirs.
    """
    config = ground.config
    if not _runs_gateway(config) and ground.table.gateway == "none":
        return None
    engines = [unit for unit in units if unit.kind != "model"]
    told = {name: _outside(ground, unit, name) for unit in engines for name in unit.models}
    made = documents.of_gateway(ground.document, told)
    pool = next(iter(ground.nodes))
    own = _typed(made, pool, ground.document)
    plan = place(library_of(own, ground.lock))
    port = config.gateway.envoy.port if config.gateway.envoy.enable else config.gateway.litellm.port
    return PodSet("gateway", "gateway", pool, 1, 0, made, own, plan, (), port)


def _outside(ground: ClusterGround, unit: PodSet, name: str) -> Document:
    """An on-demand model as the gateway knows it: behind the Service of its engine."""
    table, config = ground.models[unit.pool][name], ground.config
    prefix = config.naming.prefix
    variants = (
        one for key, variant in table.variants.items() for one in (prefix + key, *variant.aliases)
    )
    item = Elsewhere(
        names=(name, *table.aliases, *variants),
        role=table.role,
        known_as=prefix + name if unit.kind == "router" else "",
        fallbacks=table.fallbacks,
        context_window_fallbacks=table.context_window_fallbacks,
    )
    server: Document = {"endpoint": f"http://{unit.name}:{unit.port}"}
    if unit.kind == "swap":
        server["server"] = "llama_swap"
    own = getattr(config.services, "llama_swap" if unit.kind == "swap" else "router").api_keys
    # An engine without keys of its own hands on what it is sent, and its servers want theirs.
    key = own[0] if own else config.services.api_key
    if key is not None:
        server["api_key"] = key.model_dump(exclude_none=True)
    told = external(item, [server], default=table.default)
    return {**told, **numbers(unit.plan, prefix + name)}


def _typed(made: Document, pool: str, document: Mapping[str, Any]) -> Config:
    return typed_as(made, lambda item: told_of(item, pool, document))
