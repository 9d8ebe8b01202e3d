"""The Job that downloads the model files into the claim: `llmgen pull` of what the lock names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from llmgen.artifacts import Artifact
from llmgen.engines.container import MODELS
from llmgen.facts.gguf_facts import ModelRef
from llmgen.facts.hub_names import hub_ref
from llmgen.facts.lock_model import Entry, Lock
from llmgen.facts.lock_render import render_lock
from llmgen.fleet.text import text
from llmgen.render.header import OWNER, comment
from llmgen.targets.kubernetes import fill, keys, model_files, priority_class, pull_secrets
from llmgen.targets.kubernetes.config_maps import ConfigMaps, config_maps, projected
from llmgen.targets.kubernetes.names import ACCOUNT, FILES, Object, labels, meta
from llmgen.targets.kubernetes.names import MODELS as CLAIM
from llmgen.targets.kubernetes.node_choice import selected, tolerated
from llmgen.targets.kubernetes.security import OF_CONTAINERS, of_pod
from llmgen.targets.kubernetes.storage import on_one_node
from llmgen.units import MIB

if TYPE_CHECKING:
    from llmgen.targets.kubernetes.scene import ClusterScene

NAME: Final = "download"
_GROUP: Final = "21-download"
_TMP: Final = "/tmp"  # noqa: S108 - within the container
# Python with one file's pieces of 4 MiB; what is written is the page cache's, which gives way.
MEMORY_BYTES: Final = 512 * MIB
CPU_MILLIS: Final = 100
# A download that fails goes on where it stopped; the pauses between tries grow to six minutes.
_TRIES: Final = 30
_WEEK: Final = 7 * 24 * 3600


def objects(scene: ClusterScene) -> Iterator[tuple[str, Object]]:
    """The Job with its files, called by what it does; nothing where nothing is of the Hub."""
    entries, image = model_files.downloads(scene), scene.table.llmgen_image
    if image is None or not entries:
        return
    files = _files(entries, scene)
    spec = _spec(scene, image, files)
    told = json.dumps(spec, sort_keys=True, ensure_ascii=False)
    # A Job's template never changes: another set of files, or another image, is another Job.
    name = f"{NAME}-{sha256(told.encode()).hexdigest()[:10]}"
    yield from ((_GROUP, item) for item in files.maps)
    yield (
        _GROUP,
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": meta(name, NAME, NAME, scene.table.namespace),
            "spec": spec,
        },
    )


def pool(scene: ClusterScene) -> str:
    """The pool whose nodes download: one without devices, else that of the first servers.

    Empty where nothing is downloaded. A claim for one node is mounted where the servers are.
    """
    if not model_files.downloads(scene):
        return ""
    pools = scene.cluster.pools
    free = [name for name, item in pools.items() if not item.node.devices]
    if free and not on_one_node(scene):
        return free[0]
    return next(app.unit.pool for app in scene.serving if model_files.mounted(app))


def document(entries: Mapping[ModelRef, Entry]) -> dict[str, Any]:
    """An llm.toml that names these files of the Hub, each as a model, and nothing else."""
    return {
        "edition": 1,
        "hardware": {
            "host": NAME,
            "os": "linux",
            "backend": "cpu",
            "memory": "64GiB",
            "devices": [],
        },
        "paths": {"home": _TMP, "models": MODELS},
        "models": {f"file-{number}": _model(ref) for number, ref in enumerate(entries, 1)},
    }


def _model(ref: ModelRef) -> dict[str, Any]:
    told = hub_ref(ref)
    found = {"hf_repo": told.repo}
    if ref.startswith("repo:"):
        found["engine"] = "vllm"
    elif told.what:
        found["hf_file" if told.what.endswith(".gguf") else "quant"] = told.what
    if told.revision:
        found["revision"] = told.revision
    return found


def _files(entries: Mapping[ModelRef, Entry], scene: ClusterScene) -> ConfigMaps:
    """Both files, and where no ConfigMap can hold one, what joins its parts."""
    # What was measured moves no download.
    lock = Lock({ref: replace(entry, measured={}) for ref, entry in entries.items()})
    told = f"{comment(OWNER)}\n{text(document(entries))}"
    made = [
        Artifact(PurePosixPath("llm.toml"), told.encode(), NAME),
        Artifact(PurePosixPath("llm.lock"), render_lock(lock).encode(), NAME),
    ]
    namespace = scene.table.namespace
    plain = config_maps(NAME, NAME, namespace, made)
    if not plain.parts:
        return plain
    joins = fill.script(None, {}, (str(item.path) for item in made), plain.parts)
    made.append(Artifact(PurePosixPath(fill.NAME), joins.encode(), NAME))
    return config_maps(NAME, NAME, namespace, made)


def _spec(scene: ClusterScene, image: str, files: ConfigMaps) -> Object:
    disrupted = {"type": "DisruptionTarget", "status": "True"}
    return {
        "parallelism": 1,
        "completions": 1,
        "completionMode": "NonIndexed",
        "backoffLimit": _TRIES,
        # A pod that had to go, for another or with its node, is no failure.
        "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [disrupted]}]},
        # The next pod comes when the last one is gone: one writes at a time.
        "podReplacementPolicy": "Failed",
        "suspend": False,
        "ttlSecondsAfterFinished": _WEEK,
        "template": {"metadata": {"labels": labels(NAME, NAME)}, "spec": _pod(scene, image, files)},
    }


def _pod(scene: ClusterScene, image: str, files: ConfigMaps) -> Object:
    table = scene.table
    nodes = scene.cluster.pools[pool(scene)]
    found: Object = {
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": of_pod(scene.cluster.config.containers.user),
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 30,
        **selected(nodes),
        **tolerated(nodes.table.taints),
        **priority_class.of_pod(NAME, scene),
    }
    if files.parts:
        found["initContainers"] = [fill.container(image, parts=True)]
    return {
        **found,
        "containers": [_container(scene, image, files)],
        "volumes": [*_volumes(scene, files)],
        **pull_secrets.of_pod(table),
    }


def _container(scene: ClusterScene, image: str, files: ConfigMaps) -> Object:
    token = scene.table.storage.hub_token
    memory = f"{MEMORY_BYTES // MIB}Mi"
    variables: list[Object] = [{"name": "HOME", "value": _TMP}]
    if token is not None:
        key = {"name": scene.table.secret, "key": keys.entry(token)}
        variables.append({"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": key}})
    return {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["llmgen"],
        "args": ["-c", str(FILES / "llm.toml"), "pull"],
        "env": variables,
        "resources": {
            "limits": {"memory": memory},
            "requests": {"cpu": f"{CPU_MILLIS}m", "memory": memory},
        },
        "securityContext": OF_CONTAINERS,
        # Why it failed is the end of what it said.
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {
                "name": "joined" if files.parts else "files",
                "mountPath": str(FILES),
                "readOnly": True,
            },
            {"name": "models", "mountPath": MODELS},
            {"name": "tmp", "mountPath": _TMP},
        ],
    }


def _volumes(scene: ClusterScene, files: ConfigMaps) -> Iterator[Object]:
    claim = {"claimName": scene.table.storage.claim or CLAIM}
    yield {"name": "files", "projected": projected(files.entries)}
    if files.parts:
        yield {"name": "joined", "emptyDir": {}}
    yield {"name": "models", "persistentVolumeClaim": claim}
    yield {"name": "tmp", "emptyDir": {}}
