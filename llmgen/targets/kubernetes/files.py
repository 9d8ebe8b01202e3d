"""The files: a kustomize base, one file for each group of objects, and what is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from llmgen.artifacts import Artifact
from llmgen.targets.kubernetes import chart, environment, overlays
from llmgen.targets.kubernetes.base import grouped
from llmgen.targets.kubernetes.documents import file
from llmgen.targets.kubernetes.names import NAME, Object
from llmgen.targets.kubernetes.scene import ClusterScene

BASE: Final = PurePosixPath(NAME, "base")


def artifacts(scene: ClusterScene) -> Iterator[Artifact]:
    """The base, in files that sort as they have to be applied; overlays; a chart by choice.

    ConfigError and PlanError for what is wrong in environments.
    """
    found = grouped(scene)
    environment.refuse(scene, found)
    names = sorted(f"{group}.yaml" for group in found)
    for group, items in found.items():
        yield file(BASE / f"{group}.yaml", items)
    kustomization: Object = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": names,
    }
    yield file(BASE / "kustomization.yaml", [kustomization])
    yield from overlays.artifacts(scene, found)
    if scene.table.helm:
        yield from chart.artifacts(scene, found)
