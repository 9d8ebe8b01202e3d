"""Which nodes pods may be on: by a pool's labels, and in spite of its taints."""

from __future__ import annotations

from collections.abc import Iterable

from llmgen.cluster.cluster import NodePool
from llmgen.config.tables.kubernetes import Taint
from llmgen.targets.kubernetes.names import POOL, Object


def selected(nodes: NodePool) -> Object:
    """Only nodes of the pool."""
    return {"nodeSelector": dict(sorted((nodes.table.labels or {POOL: nodes.name}).items()))}


def tolerated(taints: Iterable[Taint]) -> Object:
    """Nodes with these taints as well; nothing where there are none."""
    found = [_toleration(item) for item in taints]
    return {"tolerations": found} if found else {}


def _toleration(item: Taint) -> Object:
    return {
        "key": item.key,
        "operator": "Equal" if item.value else "Exists",
        **({"value": item.value} if item.value else {}),
        "effect": item.effect,
    }
