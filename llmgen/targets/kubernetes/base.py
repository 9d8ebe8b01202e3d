"""All objects of a cluster, in groups: each group is one file of the kustomize base."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from llmgen.targets.kubernetes import (
    claims,
    common,
    copies,
    download,
    external_secret,
    monitoring,
    policy,
    priority_class,
    scale,
    storage,
    workload,
)
from llmgen.targets.kubernetes.gateways import base as gateways
from llmgen.targets.kubernetes.names import Object
from llmgen.targets.kubernetes.scene import ClusterScene

Maker: TypeAlias = Callable[[ClusterScene], Iterator[tuple[str, Object]]]

# Who makes objects, in the order in which a cluster takes them.
MAKERS: Final[tuple[Maker, ...]] = (
    common.objects,
    external_secret.objects,
    priority_class.objects,
    policy.objects,
    storage.objects,
    download.objects,
    claims.objects,
    workload.objects,
    copies.objects,
    scale.objects,
    gateways.objects,
    monitoring.objects,
)


def grouped(scene: ClusterScene) -> dict[str, list[Object]]:
    """The objects of each group, groups and objects in order."""
    found: dict[str, list[Object]] = {}
    for make in MAKERS:
        for group, item in make(scene):
            found.setdefault(group, []).append(item)
    return found
