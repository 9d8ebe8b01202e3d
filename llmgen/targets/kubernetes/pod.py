"""A container of the stack as a pod: what it runs, sees, may do and asks of its node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from msgspec import Struct

from llmgen.artifacts import Artifact
from llmgen.cluster.certificate import FOLDER as CERTIFICATE
from llmgen.engines.container import MODELS as MODELS_FOLDER
from llmgen.errors import Diagnostic, KeyPath, PlanError
from llmgen.gateway.secrets import MANIFEST, Manifest
from llmgen.targets.containers.container import SECRETS, Container, Mount
from llmgen.targets.envoy.routing import NAMESPACE
from llmgen.targets.kubernetes import (
    claims,
    copies,
    fill,
    interceptor,
    keys,
    model_files,
    priority_class,
    pull_secrets,
    waiting,
)
from llmgen.targets.kubernetes.before_stop import before_stop, grace_seconds
from llmgen.targets.kubernetes.config_maps import ConfigMaps, config_maps, projected
from llmgen.targets.kubernetes.names import ACCOUNT, FILES, MODELS, Object, labels, literal
from llmgen.targets.kubernetes.node_choice import selected, tolerated
from llmgen.targets.kubernetes.probes import probes
from llmgen.targets.kubernetes.resources import SHARED_BYTES, resources
from llmgen.targets.kubernetes.scene import App, ClusterScene
from llmgen.targets.kubernetes.scrape_jobs import METRICS, metrics_port
from llmgen.targets.kubernetes.security import OF_CONTAINERS, of_pod
from llmgen.units import MIB

# The mode of files for the pod's user alone.
_PRIVATE = 0o440
# Memory that processes of a program share.
_SHARED: Final = PurePosixPath("/dev/shm")  # noqa: S108 - within the pod


class PodTemplate(Struct, frozen=True):
    """A pod's template, and the ConfigMaps that it mounts."""

    template: Object
    maps: tuple[Object, ...]


def pod(app: App, scene: ClusterScene) -> PodTemplate:
    """The pod of an app; PlanError for what no pod can have."""
    refused = [*_refused(app)]
    if refused:
        raise PlanError(refused)
    filled = keys.manifest(app)
    filled = filled if filled is not None and filled.files else None
    files = _files(app, scene, filled)
    init = [*_init(app, scene, filled, files)]
    spec: Object = {
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": of_pod(app.container.user),
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": grace_seconds(app, scene),
        **_where(app, scene),
        **({"initContainers": init} if init else {}),
        "containers": [_container(app, scene, filled, files)],
        "volumes": [*_volumes(app, scene, filled, files)],
        **pull_secrets.of_pod(scene.table),
    }
    meta = {"labels": labels(app.name, app.component)}
    return PodTemplate({"metadata": meta, "spec": spec}, files.maps)


def _refused(app: App) -> Iterator[Diagnostic]:
    host = app.plan.library.host
    for mount in app.container.mounts:
        if mount.kind == "models" and mount.source != str(host.models):
            yield Diagnostic(
                "kubernetes.outside-models",
                f"`{mount.source}` is outside the folder of [paths] models, which is all that pods "
                "see of the model files",
                ("paths", "models"),
                hint=f"a path below `{host.models}`",
            )
        elif mount.kind == "file" and not _is_there(mount):
            key, hint = _otherwise(app, mount)
            yield Diagnostic(
                "kubernetes.file",
                f"`{mount.source}` is a file of one machine, and no pod sees it",
                key,
                hint=hint,
            )


def _is_there(mount: Mount) -> bool:
    """Whether a file is below the claim's folder or the Secret's."""
    return any(mount.target.is_relative_to(place) for place in (MODELS_FOLDER, CERTIFICATE))


def _otherwise(app: App, mount: Mount) -> tuple[KeyPath, str]:
    """The key that names a file, and how pods get to see it."""
    around, config = app.plan.library.contained, app.unit.config
    templates = around.templates if around else {}
    for name, path in templates.items():
        if str(path) == mount.source:
            key = ("models", name.removeprefix(config.naming.prefix), "chat_template_file")
            place = app.plan.library.host.models / path.name
            return key, f"put it among the model files, and name it there: `{place}`"
    tls = config.gateway.envoy.tls
    own = (tls.cert, tls.key, tls.client_ca) if tls is not None else ()
    if any(told and mount.source.endswith(told.removeprefix("~")) for told in own):
        hint = '`[kubernetes.tls] secret = "NAME"`, a Secret of the type kubernetes.io/tls'
        return ("gateway", "envoy", "tls"), hint
    return ("external",), "a server whose certificate the system's own authorities have signed"


def _files(app: App, scene: ClusterScene, filled: Manifest | None) -> ConfigMaps:
    """What it reads, with the script that joins and fills it where that is needed."""
    kept = tuple(
        item
        for item in app.files
        if item.path.parts[0] != "secrets" and item.path.name not in (MANIFEST, "static.yaml")
    )
    plain = _maps(app, scene, kept)
    if not plain.parts and filled is None:
        return plain
    entries = keys.entries(filled.secrets) if filled else {}
    text = fill.script(filled, entries, (str(item.path) for item in kept), plain.parts)
    own = Artifact(PurePosixPath(fill.NAME), text.encode(), "")
    return _maps(app, scene, (*kept, own))


def _maps(app: App, scene: ClusterScene, files: Sequence[Artifact]) -> ConfigMaps:
    return config_maps(app.name, app.component, scene.table.namespace, files)


def _where(app: App, scene: ClusterScene) -> Object:
    """Which nodes, in which way copies are spread over them, and before whom."""
    nodes = scene.cluster.pools[app.unit.pool]
    return {
        **selected(nodes),
        **tolerated(nodes.table.taints),
        **copies.spread(app, scene),
        **priority_class.of_pod(app.name, scene),
        **claims.of_pod(app, scene),
    }


def _container(app: App, scene: ClusterScene, filled: Manifest | None, files: ConfigMaps) -> Object:
    item = app.container
    found: Object = {
        "name": app.name,
        "image": item.image,
        "imagePullPolicy": "IfNotPresent",
        **({} if item.own_entry else {"command": [literal(item.argv[0])]}),
        "args": [literal(word) for word in (item.argv if item.own_entry else item.argv[1:])],
        "env": [
            *({"name": name, "value": literal(value)} for name, value in item.environment),
            *_namespace(app, scene),
        ],
        "ports": [*_ports(app)],
        "resources": resources(app.unit, item, scene.cluster),
        **probes(app),
        "lifecycle": {"preStop": before_stop(app, scene)},
        "securityContext": OF_CONTAINERS,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [*_mounts(item, filled, files)],
    }
    return {key: value for key, value in found.items() if value != []}


def _namespace(app: App, scene: ClusterScene) -> Iterator[Object]:
    """What Envoy tells an interceptor with a model's name: its files are those of any namespace."""
    if app.container.name == "envoy" and interceptor.is_asked(scene):
        told = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
        yield {"name": NAMESPACE, "valueFrom": {"fieldRef": told}}


def _ports(app: App) -> Iterator[Object]:
    yield {"name": "http", "containerPort": app.container.port, "protocol": "TCP"}
    if metrics := metrics_port(app):
        yield {"name": METRICS, "containerPort": metrics, "protocol": "TCP"}


def _init(
    app: App, scene: ClusterScene, filled: Manifest | None, files: ConfigMaps
) -> Iterator[Object]:
    """What runs before it: files are joined and filled, models waited for."""
    if (made := _filling(app, filled, files)) is not None:
        yield made
    if found := model_files.opened(app, scene):
        yield waiting.container(app.container.image, found)


def _filling(app: App, filled: Manifest | None, files: ConfigMaps) -> Object | None:
    """What joins and fills its files before it starts."""
    if not any(entry.path == fill.NAME for entry in files.entries):
        return None
    mounts: list[Object] = []
    if filled is not None:
        mounts.append(_mount("runtime", filled.into, writable=True))
        if filled.secrets:
            mounts.append(_mount("keys", fill.KEYS))
    return fill.container(app.container.image, parts=bool(files.parts), mounts=mounts)


def _mount(name: str, place: PurePosixPath, *, writable: bool = False) -> Object:
    return {"name": name, "mountPath": str(place), **({} if writable else {"readOnly": True})}


def _mounts(item: Container, filled: Manifest | None, files: ConfigMaps) -> Iterator[Object]:
    if files.entries:
        yield _mount("joined" if files.parts else "files", FILES)
    if filled is not None:
        yield _mount("runtime", filled.into, writable=True)
    if item.secrets:
        yield _mount("secrets", SECRETS)
    if _certified(item):
        yield _mount("tls", PurePosixPath(CERTIFICATE))
    for number, place in enumerate(item.tmpfs):
        yield _mount(_tmpfs(number), place, writable=True)
    if item.memory.host_ipc:
        yield _mount("shared", _SHARED, writable=True)
    for mount in item.mounts:
        if mount.kind in ("models", "volume"):
            yield _mount(_volume(mount), mount.target, writable=mount.writable)


def _certified(item: Container) -> list[str]:
    """The entries of the certificate's Secret that it opens."""
    found = {mount.target for mount in item.mounts if mount.kind == "file"}
    return sorted(place.name for place in found if place.is_relative_to(CERTIFICATE))


def _tmpfs(number: int) -> str:
    return f"tmp-{number}" if number else "tmp"


def _volume(mount: Mount) -> str:
    return mount.source if mount.kind == "volume" else "models"


def _volumes(
    app: App, scene: ClusterScene, filled: Manifest | None, files: ConfigMaps
) -> Iterator[Object]:
    item, secret = app.container, scene.table.secret
    if files.entries:
        yield {"name": "files", "projected": projected(files.entries)}
    if files.parts:
        yield {"name": "joined", "emptyDir": {}}
    if filled is not None:
        yield {"name": "runtime", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}
        if filled.secrets:
            found = keys.entries(filled.secrets)
            yield {"name": "keys", "secret": _secret(secret, {key: key for key in found.values()})}
    if item.secrets:
        yield {"name": "secrets", "secret": _secret(secret, keys.entries(item.secrets))}
    if (names := _certified(item)) and scene.table.tls is not None:
        found = {name: name for name in names}
        yield {"name": "tls", "secret": _secret(scene.table.tls.secret, found)}
    for number, _ in enumerate(item.tmpfs):
        size = item.memory.tmpfs_bytes // len(item.tmpfs) // MIB
        yield {
            "name": _tmpfs(number),
            "emptyDir": {"medium": "Memory", "sizeLimit": f"{size}Mi"},
        }
    if item.memory.host_ipc:
        size = SHARED_BYTES // MIB
        yield {"name": "shared", "emptyDir": {"medium": "Memory", "sizeLimit": f"{size}Mi"}}
    for mount in item.mounts:
        if mount.kind == "models":
            claim = scene.table.storage.claim or MODELS
            yield {
                "name": "models",
                "persistentVolumeClaim": {"claimName": claim, "readOnly": True},
            }
        elif mount.kind == "volume":
            yield {"name": _volume(mount), "emptyDir": {}}


def _secret(name: str, entries: dict[str, str]) -> Object:
    """Entries of the Secret as files by the names that the program knows."""
    items = [{"key": key, "path": path} for path, key in sorted(entries.items())]
    return {"secretName": name, "defaultMode": _PRIVATE, "items": items}
