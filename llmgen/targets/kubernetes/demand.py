"""What the pods ask of each pool's nodes, and the proof that they hold them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from llmgen.cluster import nodes as packing
from llmgen.cluster.cluster import NodePool
from llmgen.cluster.packing import prove
from llmgen.cluster.proof import Proof
from llmgen.config.tables.kubernetes import Style
from llmgen.errors import Diagnostic, Severity
from llmgen.targets.kubernetes import download
from llmgen.targets.kubernetes.gateways import endpoint_pickers
from llmgen.targets.kubernetes.resources import cpu_millis, memory_bytes

if TYPE_CHECKING:
    from llmgen.targets.kubernetes.scene import App, ClusterScene


def allocatable(nodes: NodePool) -> packing.Amount:
    """What a node of the pool has for pods; cores count where llm.toml says how many."""
    node = nodes.node
    return packing.Amount(
        devices=len(node.devices),
        memory_bytes=max(0, node.memory_bytes - node.reserve_bytes),
        cpu_millis=1000 * (nodes.table.cpu or 0),
    )


def requests(scene: ClusterScene, pool: str) -> tuple[packing.Pod, ...]:
    """The pods that a pool's nodes have to hold, by their controllers."""
    pods = [_pod(app, scene) for app in scene.apps if app.unit.pool == pool]
    if download.pool(scene) == pool:
        pods.append(_downloading(scene, pool))
    pods += [_picker(app, scene) for app in endpoint_pickers.pooled(scene) if app.unit.pool == pool]
    return tuple(pods)


def nodes_of(nodes: NodePool) -> packing.Nodes:
    """The nodes of a pool."""
    return packing.Nodes(nodes.name, nodes.table.count, allocatable(nodes))


def _pod(app: App, scene: ClusterScene) -> packing.Pod:
    table = scene.cluster.pools[app.unit.pool].table
    return packing.Pod(
        name=app.name,
        request=packing.Amount(
            devices=app.unit.devices,
            memory_bytes=memory_bytes(app.unit, app.container),
            cpu_millis=cpu_millis(app.unit, scene.cluster) if table.cpu else 0,
        ),
        copies=app.unit.copies * app.unit.nodes,
        surge=scene.surge(app),
        priority=scene.priorities.get(app.name, 0),
    )


def _downloading(scene: ClusterScene, pool: str) -> packing.Pod:
    """The download's pod, which has to find room beside those that wait for it."""
    counted = scene.cluster.pools[pool].table.cpu
    return packing.Pod(
        name=download.NAME,
        request=packing.Amount(
            memory_bytes=download.MEMORY_BYTES, cpu_millis=download.CPU_MILLIS if counted else 0
        ),
        priority=scene.priorities.get(download.NAME, 0),
    )


def _picker(app: App, scene: ClusterScene) -> packing.Pod:
    """The pod that says which of a model's pods a request goes to."""
    counted, name = scene.cluster.pools[app.unit.pool].table.cpu, endpoint_pickers.name_of(app)
    return packing.Pod(
        name=name,
        request=packing.Amount(
            memory_bytes=endpoint_pickers.MEMORY_BYTES,
            cpu_millis=endpoint_pickers.CPU_MILLIS if counted else 0,
        ),
        priority=scene.priorities.get(name, 0),
    )


def proofs(scene: ClusterScene) -> tuple[Proof, ...]:
    """What is proved of each pool."""
    return tuple(
        prove(nodes_of(pool), requests(scene, name)) for name, pool in scene.cluster.pools.items()
    )


# How an old pod makes room for the new one; KServe decides that itself for LLMInferenceServices.
_ROOM: Final[dict[Style, str]] = {
    "plain": "`max_surge = 0`: an old pod makes room for the new one",
    "kserve": "`max_surge = 0`; of chat models KServe starts the new pod first: a node more, or "
    '`style = "plain"`',
    "lws": "`max_surge = 0`: an old pod makes room for the new one",
}


def refusals(found: tuple[Proof, ...], style: Style = "plain") -> Iterator[Diagnostic]:
    """What the nodes do not hold: no file is written for it."""
    for proof in found:
        key = ("kubernetes", "pools", proof.pool)
        fit = proof.all_nodes
        if fit.possible == "no":
            yield Diagnostic(
                "kubernetes.no-room",
                f"on `{proof.pool}`: {fit.reason}",
                (*key, "count"),
                hint=fit.hint or "more nodes (`count`), fewer pods (`hosts`), or a smaller context",
            )
            continue
        for one in proof.rollouts:
            if one.possible == "no":
                yield Diagnostic(
                    "kubernetes.dead-rollout",
                    f"on `{proof.pool}`: {one.reason}",
                    (*key, "max_surge"),
                    hint=_ROOM[style],
                )


def notes(found: tuple[Proof, ...]) -> Iterator[Diagnostic]:
    """What may go wrong although there is room, and what the loss of a node does."""
    for proof in found:
        fit = proof.all_nodes
        if fit.possible != "no" and fit.certain != "yes":
            yield Diagnostic(
                "kubernetes.may-wait",
                f"on `{proof.pool}`: {fit.reason or 'whether every order is right is not proved'}",
                ("kubernetes", "pools", proof.pool),
                severity=Severity.WARNING,
                hint=fit.hint or "one node more, or pods of fewer sizes",
            )
