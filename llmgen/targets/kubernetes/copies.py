"""What a controller's pods need where there are several: other nodes, and never all drained."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.cluster.copies import most_copies
from llmgen.targets.kubernetes.names import Object, meta
from llmgen.targets.kubernetes.scene import App, ClusterScene
from llmgen.targets.kubernetes.styles.pod_labels import of_all


def objects(scene: ClusterScene) -> Iterator[tuple[str, Object]]:
    """A PodDisruptionBudget where there may be several: one is drained when another is ready.

    Of a single pod there is none: a budget that means anything would keep its node from ever
    being drained.
    """
    for app in scene.apps:
        if most_copies(scene.cluster, app.unit) > 1:
            yield app.group, budget(app, scene)


def budget(app: App, scene: ClusterScene) -> Object:
    """At most one of the pods is taken away at a time; what is not ready is no loss."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": meta(app.name, app.name, app.component, scene.table.namespace),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": of_all(app)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def spread(app: App, scene: ClusterScene) -> Object:
    """Pods on different nodes where there is room; which nodes have room is proved without it."""
    if most_copies(scene.cluster, app.unit) < 2:
        return {}
    constraint: Object = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": of_all(app)},
    }
    return {"topologySpreadConstraints": [constraint]}
