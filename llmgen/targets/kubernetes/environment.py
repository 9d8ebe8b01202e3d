"""The objects of an environment: those of the base in its namespace, with its images and pods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from msgspec.structs import replace

from llmgen.config.tables.kubernetes import Environment
from llmgen.errors import ConfigError, Diagnostic, KeyPath, PlanError
from llmgen.targets.kubernetes import demand
from llmgen.targets.kubernetes.base import grouped
from llmgen.targets.kubernetes.images import images, mapped, replaced, split
from llmgen.targets.kubernetes.names import Object
from llmgen.targets.kubernetes.scene import App, ClusterScene


def in_namespace(scene: ClusterScene, namespace: str) -> ClusterScene:
    """The scene in another namespace."""
    cluster = scene.cluster
    table = cluster.table.model_copy(update={"namespace": namespace})
    config = cluster.config.model_copy(update={"kubernetes": table})
    return replace(scene, cluster=replace(cluster, table=table, config=config))


def environment(scene: ClusterScene, name: str) -> ClusterScene:
    """The scene of an environment; ConfigError for pods of models that have none of their own."""
    table = scene.table.environments[name]
    if refused := [*_no_pods(scene, name)]:
        raise ConfigError(refused)
    apps = tuple(_counted(app, table) for app in scene.apps)
    counts = {app.unit.name: app.unit for app in apps}
    cluster = scene.cluster
    units = tuple(counts.get(unit.name, unit) for unit in cluster.units)
    made = replace(scene, apps=apps, cluster=replace(cluster, units=units))
    return in_namespace(made, table.namespace or scene.table.namespace)


def objects(scene: ClusterScene, table: Environment) -> dict[str, list[Object]]:
    """The objects of an environment's scene, in groups, with its images."""
    return {
        group: [mapped(item, lambda image: replaced(image, table.images)) for item in items]
        for group, items in grouped(scene).items()
    }


def refuse(scene: ClusterScene, found: dict[str, list[Object]]) -> None:
    """ConfigError for what environments say wrongly, PlanError for pods that have no node.

    ``found`` are the objects of the base.
    """
    tables = scene.table.environments
    used = images(item for items in found.values() for item in items) if tables else ()
    if wrong := [one for name in tables for one in _wrong(scene, name, used)]:
        raise ConfigError(wrong)
    counted = (name for name, table in tables.items() if table.copies)
    if refused := [one for name in counted for one in _no_room(environment(scene, name), name)]:
        raise PlanError(refused)


def _wrong(scene: ClusterScene, name: str, used: Sequence[str]) -> Iterator[Diagnostic]:
    """Images that nothing runs, and pods that no model has."""
    at = ("kubernetes", "environments", name, "images")
    yield from _images(scene.table.environments[name], at, used)
    yield from _no_pods(scene, name)


def _images(table: Environment, at: KeyPath, used: Sequence[str]) -> Iterator[Diagnostic]:
    versions: dict[str, list[str]] = {}
    for image in used:
        name, version = split(image)
        versions.setdefault(name, []).append(version)
    for image, other in table.images.items():
        name, version = split(other)
        if image not in versions:
            yield Diagnostic(
                "kubernetes.no-image",
                f"no pod runs the image `{image}`",
                (*at, image),
                hint=_near(image, [*versions], "images are, without tags:"),
            )
        elif name in {*table.images} - {image}:
            yield Diagnostic(
                "kubernetes.image-twice",
                f"`{name}` stands in the place of `{image}`, and another image in its own",
                (*at, image),
                hint="name the last image of the row in both places",
            )
        elif version and len(versions[image]) > 1:
            told = ", ".join(f"`{item}`" for item in versions[image])
            yield Diagnostic(
                "kubernetes.image-versions",
                f"`{image}` runs as {told}, and one version stands in the place of all",
                (*at, image),
                hint=f"`{name}` alone: each keeps its own version",
            )


def _no_room(scene: ClusterScene, name: str) -> Iterator[Diagnostic]:
    """The nodes have to hold the pods of an environment as they hold those of the base."""
    for item in demand.refusals(demand.proofs(scene), scene.table.style):
        yield replace(
            item,
            message=f"in `{name}`, {item.message}",
            key=("kubernetes", "environments", name, "copies"),
        )


def _counted(app: App, table: Environment) -> App:
    if app.unit.kind != "model" or app.unit.models[0] not in table.copies:
        return app
    return replace(app, unit=replace(app.unit, copies=table.copies[app.unit.models[0]]))


def _no_pods(scene: ClusterScene, name: str) -> Iterator[Diagnostic]:
    own = [app.unit.models[0] for app in scene.apps if app.unit.kind == "model"]
    for model in scene.table.environments[name].copies:
        if model not in own:
            yield Diagnostic(
                "kubernetes.no-pods",
                f"`{model}` has no pods of its own whose number could be another",
                ("kubernetes", "environments", name, "copies", model),
                hint=_near(model, own, 'always-on models (`keep = "always"`) have:'),
            )


def _near(name: str, known: Sequence[str], what: str) -> str:
    near = get_close_matches(name, known, 1)
    return f"did you mean `{near[0]}`?" if near else f"{what} {', '.join(known) or 'none'}"
