"""Overlays of kustomize, one for each environment: its words where it has one, else patches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final, TypeAlias

from llmgen.artifacts import Artifact
from llmgen.config.tables.kubernetes import Environment
from llmgen.render.blocks import blocks
from llmgen.targets.kubernetes.documents import file
from llmgen.targets.kubernetes.environment import environment, objects
from llmgen.targets.kubernetes.images import mapped, replaced, split
from llmgen.targets.kubernetes.names import NAME, Object
from llmgen.targets.kubernetes.scene import ClusterScene

FOLDER: Final = PurePosixPath(NAME, "overlays")
# What kustomize's `replicas` knows.
_COUNTED: Final = ("Deployment", "StatefulSet")
# Objects that the base does not have.
_MORE: Final = "more.yaml"

# apiVersion, kind and name: what an object is in one namespace.
ObjectIdentity: TypeAlias = tuple[str, str, str]


def artifacts(scene: ClusterScene, base: dict[str, list[Object]]) -> Iterator[Artifact]:
    """The overlay of each environment, over the objects of the base."""
    for name, table in scene.table.environments.items():
        made = environment(scene, name)
        yield from _overlay(FOLDER / name, base, objects(made, table), table, made.table.namespace)


def _overlay(
    folder: PurePosixPath,
    base: dict[str, list[Object]],
    wanted: dict[str, list[Object]],
    table: Environment,
    namespace: str,
) -> Iterator[Artifact]:
    ours, theirs = _known(base), _known(wanted)
    # The namespace's own name follows `namespace`.
    here = {_renamed(key, namespace): item for key, item in ours.items()}
    counts = dict(_counts(here, theirs))
    more = [item for key, item in theirs.items() if key not in here]
    kustomization: Object = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["../../base", *([_MORE] if more else [])],
        "namespace": namespace,
        "images": [_image(name, other) for name, other in table.images.items()],
        "replicas": [{"name": key[2], "count": count} for key, count in counts.items()],
        "patches": [
            *(_deleted(item) for key, item in here.items() if key not in theirs),
            *(
                _patch(item, differences)
                for key, item in here.items()
                if key in theirs
                and (differences := _differences(item, theirs[key], table, counts.get(key)))
            ),
        ],
    }
    found = {key: value for key, value in kustomization.items() if value != []}
    yield file(folder / "kustomization.yaml", [found])
    if more:
        yield file(folder / _MORE, more)


def _known(groups: Mapping[str, Sequence[Object]]) -> dict[ObjectIdentity, Object]:
    return {
        (item["apiVersion"], item["kind"], item["metadata"]["name"]): item
        for items in groups.values()
        for item in items
    }


def _renamed(key: ObjectIdentity, namespace: str) -> ObjectIdentity:
    return (key[0], key[1], namespace) if key[:2] == ("v1", "Namespace") else key


def _counts(
    ours: Mapping[ObjectIdentity, Object], theirs: Mapping[ObjectIdentity, Object]
) -> Iterator[tuple[ObjectIdentity, int]]:
    for key, item in ours.items():
        if key[1] in _COUNTED and key in theirs and "replicas" in item["spec"]:
            count = theirs[key]["spec"].get("replicas")
            if count is not None and count != item["spec"]["replicas"]:
                yield key, count


def _image(name: str, other: str) -> Object:
    new, version = split(other)
    tag, _, digest = version.partition("@")
    found = {"name": name, "newName": new, "newTag": tag[1:], "digest": digest}
    return {key: value for key, value in found.items() if value}


def _differences(
    item: Object, wanted: Object, table: Environment, count: int | None
) -> dict[str, object]:
    """What of an object is another than kustomize's words make of it, by its first key."""
    made = mapped(item, lambda image: replaced(image, table.images))
    if count is not None:
        made = {**made, "spec": {**made["spec"], "replicas": count}}
    keys = [key for key in {**made, **wanted} if key != "metadata"]
    found = {key: wanted.get(key) for key in keys if made.get(key) != wanted.get(key)}
    for key in ("labels", "annotations"):
        mine, other = made["metadata"].get(key), wanted["metadata"].get(key)
        if mine != other:
            found[f"metadata/{key}"] = other
    return found


def _patch(item: Object, differences: Mapping[str, object]) -> Object:
    # `op` last: kustomize cuts off the end of the text, which may be the end of a value's own.
    steps: list[Object] = [
        {"path": f"/{key}", "op": "remove"}
        if value is None
        else {"path": f"/{key}", "value": value, "op": "add"}
        for key, value in differences.items()
    ]
    return {"target": _target(item), "patch": "".join(f"- {_inner(step)}" for step in steps)}


def _inner(step: Mapping[str, object]) -> str:
    return blocks(step).replace("\n", "\n  ").rstrip(" ")


def _deleted(item: Object) -> Object:
    told = {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": {}, "$patch": ""}
    told |= {"metadata": {"name": item["metadata"]["name"]}, "$patch": "delete"}
    return {"target": _target(item), "patch": blocks(told)}


def _target(item: Object) -> Object:
    group, _, version = item["apiVersion"].rpartition("/")
    found = {
        "group": group,
        "version": version,
        "kind": item["kind"],
        "name": item["metadata"]["name"],
    }
    return {key: value for key, value in found.items() if value}
