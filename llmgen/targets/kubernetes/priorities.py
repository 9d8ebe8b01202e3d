"""Which pods come before others: with larger ones first, all find a node in every order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llmgen.cluster import packing
from llmgen.targets.kubernetes import demand

if TYPE_CHECKING:
    from llmgen.targets.kubernetes.scene import ClusterScene


def priorities(scene: ClusterScene) -> Mapping[str, int]:
    """The priority of each app of a pool that has one: its own, and more for larger pods.

    Where larger pods first is no proof that all find a node, they are all alike.
    """
    found: dict[str, int] = {}
    for name, pool in scene.cluster.pools.items():
        least = pool.table.priority
        if least is None:
            continue
        pods = demand.requests(scene, name)
        levels = packing.priorities(demand.nodes_of(pool), pods) or {pod.name: 1 for pod in pods}
        found |= {pod.name: least - 1 + levels.get(pod.name, 1) for pod in pods}
    return found
