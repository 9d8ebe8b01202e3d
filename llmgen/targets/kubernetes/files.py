"""The files: a kustomize base, one file for each group of objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from llmgen.artifacts import Artifact
from llmgen.render.blocks import blocks
from llmgen.render.header import OWNER, comment
from llmgen.targets.kubernetes.base import grouped
from llmgen.targets.kubernetes.names import NAME, Object
from llmgen.targets.kubernetes.scene import Scene

BASE: Final = PurePosixPath(NAME, "base")


def artifacts(scene: Scene) -> Iterator[Artifact]:
    """The base, in files that sort as they have to be applied."""
    found = grouped(scene)
    names = sorted(f"{group}.yaml" for group in found)
    for group, items in found.items():
        yield _file(BASE / f"{group}.yaml", items)
    kustomization: Object = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": names,
    }
    yield _file(BASE / "kustomization.yaml", [kustomization])


def _file(path: PurePosixPath, items: list[Object]) -> Artifact:
    text = "---\n".join(blocks(item) for item in items)
    return Artifact(path, f"{comment(OWNER)}\n{text}".encode(), NAME)
