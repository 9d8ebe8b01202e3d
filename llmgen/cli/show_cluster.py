"""``llmgen show`` of a cluster: its pools of nodes, the pods on them, and what is proved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click
from msgspec import Struct
from rich.table import Table

from llmgen.cli.drawing import echo, paragraph, screenful, table_of
from llmgen.cli.outcome import Outcome
from llmgen.cli.tables import LARGEST
from llmgen.units import show_size

if TYPE_CHECKING:
    from llmgen.cli.boundary import Session
    from llmgen.cli.pipeline import Read
    from llmgen.cli.view import ModelView
    from llmgen.cluster.cluster import Cluster
    from llmgen.cluster.proof import Proof
    from llmgen.targets.kubernetes.scene import App, ClusterScene


class NodesView(Struct, frozen=True):
    """A pool: what a node has for pods, and what all of its pods request together."""

    pool: str
    nodes: int
    node_bytes: int
    node_devices: int
    resource: str
    pods: int
    requested_bytes: int
    requested_devices: int


class PodsView(Struct, frozen=True):
    """Pods that are alike."""

    name: str
    kind: str
    pool: str
    pods: int
    devices: int
    memory_bytes: int
    device_bytes: int
    models: tuple[str, ...]
    start_seconds: int
    why: str = ""


class ClusterView(Struct, frozen=True):
    """Everything that ``show`` says of a cluster."""

    namespace: str
    pools: tuple[NodesView, ...]
    pods: tuple[PodsView, ...]
    proofs: tuple[Proof, ...]


def show_cluster(session: Session, found: Read, *, every: bool, model: str | None) -> Outcome:
    """The cluster, or the pods of one model with their whole plan."""
    from llmgen.cli.clusters import cluster_of, scene_of
    from llmgen.targets.kubernetes import scale
    from llmgen.targets.kubernetes.demand import notes, proofs

    cluster = cluster_of(found, session)
    if model:
        return _one(cluster, model)
    scene = scene_of(found, cluster, session)
    proved = proofs(scene)
    seen = ClusterView(
        cluster.table.namespace,
        tuple(_pools(scene)),
        tuple(_pods(scene)),
        proved,
    )
    told = found.placed((*cluster.notes, *notes(proved), *scale.notes(scene)))
    return Outcome(seen, text=lambda: _show(seen, whole=every), diagnostics=told)


def _one(cluster: Cluster, model: str) -> Outcome:
    from llmgen.cli.view import view

    for unit in cluster.serving:
        for row in view(unit.plan).models:
            if model in row.names:
                return _page(row)
    raise click.UsageError(f"no model is called `{model}`")


def _page(row: ModelView) -> Outcome:
    from llmgen.cli.tables import show_model

    return Outcome(row, text=lambda: show_model(row))


def _pools(scene: ClusterScene) -> Iterator[NodesView]:
    from llmgen.targets.kubernetes.demand import allocatable, requests

    for name, pool in scene.cluster.pools.items():
        one, wanted = allocatable(pool), requests(scene, name)
        yield NodesView(
            pool=name,
            nodes=pool.table.count,
            node_bytes=one.memory_bytes,
            node_devices=one.devices,
            resource=pool.resource or pool.table.device_class or "",
            pods=sum(pod.copies for pod in wanted),
            requested_bytes=sum(pod.copies * pod.request.memory_bytes for pod in wanted),
            requested_devices=sum(pod.copies * pod.request.devices for pod in wanted),
        )


def _pods(scene: ClusterScene) -> Iterator[PodsView]:
    from llmgen.targets.kubernetes.resources import device_bytes, memory_bytes

    for app in scene.apps:
        yield PodsView(
            name=app.name,
            kind=app.unit.kind,
            pool=app.unit.pool,
            pods=app.unit.copies,
            devices=app.unit.devices,
            memory_bytes=memory_bytes(app.unit, app.container),
            device_bytes=device_bytes(app.unit),
            models=app.unit.models,
            start_seconds=_start(app),
            why="; ".join(
                scene.cluster.reasons[name]
                for name in app.unit.models
                if name in scene.cluster.reasons
            ),
        )


def _start(app: App) -> int:
    return app.container.health.start_seconds if app.container.health else 0


def _show(seen: ClusterView, *, whole: bool) -> None:
    echo(paragraph(f"namespace {seen.namespace}, {_counted(seen.pools)}"))
    echo("", _pool_table(seen.pools))
    many = not whole and len(seen.pods) > screenful()
    rows = _largest(seen.pods) if many else seen.pods
    echo("", _pod_table(rows))
    if many:
        told = (
            f"{len(seen.pods)} kinds of pods, the {len(rows)} largest above; "
            "`llmgen show --all` lists every one"
        )
        echo("", paragraph(told))
    for line in (item.why for item in rows if item.why):
        echo(paragraph(line, hang=2))
    echo("", *(paragraph(line, hang=2) for proof in seen.proofs for line in _lines(proof)))


def _counted(pools: Sequence[NodesView]) -> str:
    nodes = sum(item.nodes for item in pools)
    return f"{nodes} node{'' if nodes == 1 else 's'} in {len(pools)} pool" + (
        "" if len(pools) == 1 else "s"
    )


def _pool_table(rows: Sequence[NodesView]) -> Table:
    table = table_of("pool", ">nodes", ">memory", ">devices", ">pods", ">requested", ">devices")
    for row in rows:
        table.add_row(
            row.pool,
            str(row.nodes),
            show_size(row.nodes * row.node_bytes),
            str(row.nodes * row.node_devices) if row.node_devices else "-",
            str(row.pods),
            show_size(row.requested_bytes),
            str(row.requested_devices) if row.node_devices else "-",
        )
    return table


def _pod_table(rows: Sequence[PodsView]) -> Table:
    table = table_of(
        "pods", "pool", ">copies", ">devices", ">on them", ">memory", "models", ">starts in"
    )
    for row in rows:
        models = ", ".join(row.models[:3]) + (
            f" and {len(row.models) - 3} more" if len(row.models) > 3 else ""
        )
        table.add_row(
            row.name,
            row.pool,
            str(row.pods),
            str(row.devices) if row.devices else "-",
            show_size(row.device_bytes) if row.device_bytes else "-",
            show_size(row.memory_bytes),
            models or "-",
            f"{row.start_seconds} s at most" if row.start_seconds else "-",
        )
    return table


def _largest(rows: Sequence[PodsView]) -> list[PodsView]:
    return sorted(rows, key=lambda row: (-row.devices, -row.memory_bytes, row.name))[:LARGEST]


def _lines(proof: Proof) -> Iterator[str]:
    """What is proved of a pool, in sentences."""
    fit, pool = proof.all_nodes, proof.pool
    if fit.possible == "no":
        yield f"{pool}: {fit.reason}"
        return
    if fit.certain == "yes":
        yield f"{pool}: every pod finds a node, in whatever order they come"
    else:
        yield f"{pool}: there is room for all, but {fit.reason or 'not every order is proved'}"
    lost = proof.one_lost
    if lost.possible == "yes":
        sure = "" if lost.certain == "yes" else ", if they are placed well"
        yield f"{pool}: without one node all pods still have room{sure}"
    else:
        yield f"{pool}: without one node: {lost.reason or 'some pods wait'}"
    for one in proof.rollouts:
        if one.reason:
            yield f"{pool}: {one.reason}"
