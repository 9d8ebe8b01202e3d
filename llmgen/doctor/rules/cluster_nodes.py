"""The nodes of a cluster beside what the plan of each pool counts on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from llmgen.cluster.cluster import NodePool
from llmgen.doctor.cluster_observations import ClusterSeen, NodeSeen
from llmgen.doctor.findings import Finding, judged, unknown
from llmgen.targets.kubernetes.demand import allocatable
from llmgen.targets.kubernetes.names import POOL, Object
from llmgen.targets.kubernetes.quantities import number
from llmgen.targets.kubernetes.scene import ClusterScene
from llmgen.units import show_size

# Which nodes are not to be used for now, in the words of their own controllers.
_PASSING: Final = "node.kubernetes.io/"
_NAMED: Final = 3


def nodes(scene: ClusterScene, objects: Sequence[Object], seen: ClusterSeen) -> Iterator[Finding]:
    """Each pool has as many nodes as the plan counts on, and each of them what it takes."""
    del objects
    for name, pool in scene.cluster.pools.items():
        mine = _of_pool(pool, seen.nodes or ())
        expected = f"{_count(pool.table.count)} with {_labels(pool)}, each {_amount(pool)}"
        if seen.nodes is None:
            yield unknown("node-pool", name, expected, seen.reason("nodes"))
            continue
        usable = [item for item in mine if item.is_ready and not item.is_cordoned]
        short = [lack for item in usable if (lack := _short(item, pool))]
        others = [
            f"`{item.name}` is not ready or is cordoned" for item in mine if item not in usable
        ]
        ok = len(usable) - len(short) >= pool.table.count
        told = [_count(len(mine)), *short[:_NAMED], *others[:_NAMED]]
        yield judged(
            "node-pool",
            name,
            expected,
            "; ".join(told),
            ok=ok,
            fix=_fix(pool, mine, short),
        )


def taints(scene: ClusterScene, objects: Sequence[Object], seen: ClusterSeen) -> Iterator[Finding]:
    """No taint keeps pods from the nodes of their pool."""
    del objects
    for name, pool in scene.cluster.pools.items():
        expected = "no taints but those of llm.toml"
        if seen.nodes is None:
            yield unknown("node-taints", name, expected, seen.reason("nodes"))
            continue
        known = {(item.key, item.value, item.effect) for item in pool.table.taints}
        any_value = {(item.key, item.effect) for item in pool.table.taints if not item.value}
        found = dict.fromkeys(
            taint
            for item in _of_pool(pool, seen.nodes)
            for taint in item.taints
            if taint not in known
            and (taint[0], taint[2]) not in any_value
            and taint[2] != "PreferNoSchedule"
            and not taint[0].startswith(_PASSING)
        )
        told = ", ".join(f"{key}={value}:{effect}" for key, value, effect in found)
        rows = ", ".join(_written(taint) for taint in found)
        yield judged(
            "node-taints",
            name,
            expected,
            told or "none",
            ok=not found,
            fix=f"`taints = [{rows}]` in [kubernetes.pools.{name}]",
        )


def _of_pool(pool: NodePool, found: Sequence[NodeSeen]) -> list[NodeSeen]:
    """The nodes with a pool's labels."""
    wanted = pool.table.labels or {POOL: pool.name}
    return [
        item
        for item in found
        if all(item.labels.get(key) == value for key, value in wanted.items())
    ]


def _written(taint: tuple[str, str, str]) -> str:
    key, value, effect = taint
    told = f', value = "{value}"' if value else ""
    return f'{{ key = "{key}"{told}, effect = "{effect}" }}'


def _short(item: NodeSeen, pool: NodePool) -> str:
    """What a node has less of than the plan takes."""
    wanted, lacks = allocatable(pool), []
    memory = number(item.allocatable.get("memory", "0"))
    if memory < wanted.memory_bytes:
        lacks.append(show_size(int(memory)))
    if pool.resource:
        devices = number(item.allocatable.get(pool.resource, "0"))
        if devices < wanted.devices:
            lacks.append(f"{int(devices)} {pool.resource}")
    cores = number(item.allocatable.get("cpu", "0"))
    if cores * 1000 < wanted.cpu_millis:
        lacks.append(f"{float(cores):g} cores")
    return f"`{item.name}` has {', '.join(lacks)}" if lacks else ""


def _amount(pool: NodePool) -> str:
    wanted = allocatable(pool)
    told = [show_size(wanted.memory_bytes)]
    if pool.resource and wanted.devices:
        told.append(f"{wanted.devices} {pool.resource}")
    if wanted.cpu_millis:
        told.append(f"{wanted.cpu_millis // 1000} cores")
    return ", ".join(told)


def _fix(pool: NodePool, mine: Sequence[NodeSeen], short: Sequence[str]) -> str:
    if not mine:
        return (
            f"`kubectl label node NODE {_labels(pool).replace(', ', ' ')}`, or `labels` in the pool"
        )
    if short:
        return (
            f"`hardware` of [kubernetes.pools.{pool.name}] says what a node has, `reserve` what "
            "kubelet keeps; or the device plugin is not there"
        )
    return f"`count` in [kubernetes.pools.{pool.name}], or more nodes"


def _labels(pool: NodePool) -> str:
    wanted = pool.table.labels or {POOL: pool.name}
    return ", ".join(f"{key}={value}" for key, value in sorted(wanted.items()))


def _count(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"
