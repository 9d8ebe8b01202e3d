"""Devices by claims (Dynamic Resource Allocation), where a pool names a DeviceClass."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.targets.kubernetes.names import Object, meta, short
from llmgen.targets.kubernetes.scene import App, ClusterScene

# The name of the claim within a pod.
NAME = "devices"


def objects(scene: ClusterScene) -> Iterator[tuple[str, Object]]:
    """A ResourceClaimTemplate for each app with devices."""
    for app in scene.apps:
        if _device_class(app, scene) is not None:
            yield app.group, template(app, scene)


def of_pod(app: App, scene: ClusterScene) -> Object:
    """The claim of a pod of the app; nothing where a device plugin counts its devices."""
    if _device_class(app, scene) is None:
        return {}
    return {
        "resourceClaims": [{"name": NAME, "resourceClaimTemplateName": _template_name(app, scene)}]
    }


def template(app: App, scene: ClusterScene) -> Object:
    """So many devices of the class, for each pod its own."""
    request: Object = {
        "name": NAME,
        "exactly": {
            "deviceClassName": _device_class(app, scene),
            "allocationMode": "ExactCount",
            "count": app.unit.devices,
        },
    }
    name = _template_name(app, scene)
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": meta(name, app.name, app.component, scene.table.namespace),
        "spec": {"spec": {"devices": {"requests": [request]}}},
    }


def _template_name(app: App, scene: ClusterScene) -> str:
    """A template never changes: another number, or class, is another template."""
    return short(f"{app.name}-{app.unit.devices}-{_device_class(app, scene)}", 63)


def _device_class(app: App, scene: ClusterScene) -> str | None:
    table = scene.cluster.pools[app.unit.pool].table
    return table.device_class if app.unit.devices else None
