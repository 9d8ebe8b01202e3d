"""The claim for the model files, with room for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from llmgen.errors import Diagnostic, PlanError
from llmgen.targets.kubernetes import model_files
from llmgen.targets.kubernetes.names import MODELS, STORAGE, Object, meta
from llmgen.units import GIB, show_size

if TYPE_CHECKING:
    from llmgen.targets.kubernetes.scene import ClusterScene

_SIZE: Final = ("kubernetes", "storage", "size")
_MODE: Final = ("kubernetes", "storage", "access_mode")
# What is downloaded again takes hours: neither a chart's end nor a tool that follows a Git
# repository deletes the claim by itself.
_KEPT: Final = {
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    "helm.sh/resource-policy": "keep",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}


def objects(scene: ClusterScene) -> Iterator[tuple[str, Object]]:
    """The claim, where pods open model files and llm.toml names none; PlanError if it cannot be."""
    table = scene.table.storage
    if table.claim is not None or not any(map(model_files.mounted, scene.serving)):
        return
    if wrong := [*_wrong_mode(scene)]:
        raise PlanError(wrong)
    spec: Object = {
        "accessModes": [table.access_mode],
        "resources": {"requests": {"storage": _size(scene)}},
        "volumeMode": "Filesystem",
    }
    if table.storage_class is not None:
        spec["storageClassName"] = table.storage_class
    made = meta(MODELS, MODELS, "storage", scene.table.namespace)
    yield (
        STORAGE,
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {**made, "annotations": _KEPT},
            "spec": spec,
        },
    )


def on_one_node(scene: ClusterScene) -> bool:
    """Whether all that mounts the claim has to be on one node."""
    table = scene.table.storage
    return table.claim is None and table.access_mode != "ReadWriteMany"


def _size(scene: ClusterScene) -> str:
    """The files of all models and a tenth, in whole GiB."""
    told, found = scene.table.storage.size, model_files.size_bytes(scene)
    if told is None and not found:
        raise PlanError(
            Diagnostic(
                "kubernetes.no-size",
                "llm.lock knows the size of no model file, so nobody knows that of their volume",
                _SIZE,
                hint='`size = "100GiB"` in [kubernetes.storage], or `llmgen lock`',
            )
        )
    if told is not None and told < found:
        raise PlanError(
            Diagnostic(
                "kubernetes.small-claim",
                f"the model files are {show_size(found)}, more than a claim of {show_size(told)} "
                "holds",
                _SIZE,
                hint=f'`size = "{_gib(found + found // 10)}GiB"` is a tenth more; without `size` '
                "it is that",
            )
        )
    wanted = told if told is not None else found + found // 10
    return f"{_gib(wanted)}Gi"


def _gib(size: int) -> int:
    """In whole GiB, rounded up."""
    return -(-size // GIB)


def _wrong_mode(scene: ClusterScene) -> Iterator[Diagnostic]:
    """A claim for one node, or one pod, that several want."""
    mode = scene.table.storage.access_mode
    apps = [app for app in scene.serving if model_files.mounted(app)]
    pools = dict.fromkeys(app.unit.pool for app in apps)
    nodes = sum(scene.cluster.pools[name].table.count for name in pools)
    pods = sum(app.unit.copies + scene.surge(app) for app in apps)
    pods += bool(model_files.downloads(scene))
    if mode == "ReadWriteOnce" and nodes > 1:
        told = f"the models are served on {nodes} nodes"
    elif mode == "ReadWriteOncePod" and pods > 1:
        told = f"{pods} pods mount them, with that of the download"
    else:
        return
    yield Diagnostic(
        "kubernetes.access-mode",
        f"`{mode}` lets the model files be mounted once, and {told}",
        _MODE,
        hint='`access_mode = "ReadWriteMany"`, with a storage class that has it',
    )
