"""PriorityClasses: an object for each priority that pods have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmgen.targets.kubernetes.names import ACCOUNT, COMMON, Object, meta

if TYPE_CHECKING:
    from llmgen.targets.kubernetes.scene import ClusterScene


def objects(scene: ClusterScene) -> Iterator[tuple[str, Object]]:
    """A PriorityClass for each value; a value never changes, so it is the class's name."""
    for value in sorted({*scene.priorities.values()}):
        yield (
            COMMON,
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": meta(_name(value), ACCOUNT, "priority"),
                "value": value,
                "globalDefault": False,
                "preemptionPolicy": "PreemptLowerPriority",
            },
        )


def of_pod(app: str, scene: ClusterScene) -> Object:
    """The class of an app's pods; nothing where its pool has no priority."""
    value = scene.priorities.get(app)
    return {} if value is None else {"priorityClassName": _name(value)}


def _name(value: int) -> str:
    return f"llmgen-{value}"
