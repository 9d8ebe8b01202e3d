"""KEDA: how many pods of an always-on model there are follows its requests.

As Envoy counts them, scaling to none loses requests: Envoy tries again for about ten seconds, which
is less than a pod takes to start. By choice the HTTP add-on counts them, a proxy more before each
model, in which they wait. What is on demand waits as well: in llama-swap, while its model loads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from llmgen.errors import Diagnostic, Severity
from llmgen.gateway.backends import backends
from llmgen.plan.scale import load_cost
from llmgen.targets.envoy.clusters import counted_as
from llmgen.targets.kubernetes import interceptor
from llmgen.targets.kubernetes.names import Object, meta
from llmgen.targets.kubernetes.scene import App, ClusterScene
from llmgen.targets.prometheus.sources import text

COLD_START: Final = "llmgen.io/cold-start-seconds"
_ASKED_EVERY: Final = 15
# How long one request keeps a pod wanted: some scrapes, and a look of KEDA's.
_WINDOW: Final = "2m"
# Looks without an answer of Prometheus, after which as many pods run as there is room for.
_MISSES: Final = 4
# The API's limit for a stabilization window.
_LONGEST: Final = 3600


def objects(scene: ClusterScene) -> Iterator[tuple[str, Object]]:
    """What scales each always-on model that may have more pods than it has at least."""
    for app in scene.apps:
        if scene.is_intercepted(app):
            yield app.group, interceptor.service(app, scene)
        if scene.replicas(app) is None:
            yield app.group, _scaled(app, scene)


def notes(scene: ClusterScene) -> Iterator[Diagnostic]:
    """That nothing is scaled; or that models are not there until they are asked, and the cost."""
    yield from _idle(scene)
    apps = [*_resting(scene)]
    if not apps:
        return
    slowest = max(apps, key=cold_start)
    others = f" and {len(apps) - 1} more" if len(apps) > 1 else ""
    if scene.table.scale.by == "http-add-on":
        yield _waits(scene, slowest, others)
        return
    yield Diagnostic(
        "kubernetes.scale-to-zero",
        f"`{slowest.unit.models[0]}`{others} may have no pod after {scene.table.scale.cooldown} s "
        "without a request; what asks then fails until one has started, which takes "
        f"{cold_start(slowest)} s at least",
        ("kubernetes", "scale", "min"),
        severity=Severity.WARNING,
        hint='`min = 1`; or `keep = "on_demand"` for a model: llama-swap unloads it after its '
        "`ttl`, and lets a request wait while it loads",
    )


def _idle(scene: ClusterScene) -> Iterator[Diagnostic]:
    """That KEDA has nothing to do: no model has fewer pods at least than at most."""
    if not scene.table.scale.enable or any(scene.replicas(app) is None for app in scene.apps):
        return
    key, why, hint = _why_idle(scene)
    yield Diagnostic(
        "kubernetes.scale-nothing",
        f"[kubernetes.scale] scales nothing: {why}",
        ("kubernetes", "scale", key),
        severity=Severity.WARNING,
        hint=hint,
    )


def _why_idle(scene: ClusterScene) -> tuple[str, str, str]:
    """The key, why nothing is scaled, and what would be."""
    table = scene.table.scale
    models = [app.unit.copies for app in scene.apps if app.unit.kind == "model"]
    planned, pods = max(models, default=0), f"hosts = {table.min + 1}"
    if not models:
        return "enable", "no model is always on", f'`keep = "always"` and `{pods}` for a model'
    if planned <= table.min:
        why = f"no model has more than {planned} planned, and {table.min} always run"
        return "enable", why, f"`{pods}` for a model: then the nodes are proved to hold them"
    if table.max is not None and table.max <= table.min:
        why = f"at least {table.min} and at most {table.max} is one number of pods"
        return "max", why, f"`max = {planned}`, or no `max`: as many as are planned"
    return (
        "by",
        "the gateway has no way to what may have more pods",
        "`[gateway.envoy] enable = true`",
    )


def _waits(scene: ClusterScene, slowest: App, others: str) -> Diagnostic:
    """What asks for a model without a pod waits, unless its gateway waits for less."""
    seconds, silence = cold_start(slowest), interceptor.patience_seconds(scene)
    rests = (
        f"`{slowest.unit.models[0]}`{others} may have no pod after {scene.table.scale.cooldown} s "
        "without a request; what asks then waits in KEDA's interceptor until one has started, "
        f"which takes {seconds} s at least"
    )
    if silence > seconds:
        return Diagnostic(
            "kubernetes.scale-to-zero",
            rests,
            ("kubernetes", "scale", "min"),
            severity=Severity.NOTE,
            hint="`KEDA_HTTP_IDLE_CONN_TIMEOUT=4s` for the interceptor: llama-server ends idle "
            "connections after 5 s",
        )
    return Diagnostic(
        "kubernetes.scale-to-zero",
        f"{rests}, and the gateway waits for {silence} s",
        ("gateway", "envoy", "stream_idle_timeout"),
        severity=Severity.WARNING,
        hint=f'`stream_idle_timeout = "{2 * seconds}s"` in [gateway.envoy]',
    )


def _resting(scene: ClusterScene) -> Iterator[App]:
    if scene.table.scale.min == 0:
        yield from (app for app in scene.apps if scene.replicas(app) is None)


def resting(scene: ClusterScene) -> tuple[str, ...]:
    """What Envoy's figures call the models that may have no pod, and nothing in its place."""
    if scene.table.scale.by == "http-add-on":
        return ()
    found = (item for app in _resting(scene) for item in backends(app.plan))
    return tuple(counted_as(item.name) for item in found)


def cold_start(app: App) -> int:
    """Seconds that a load takes at least: the bytes of the files by the disk's bandwidth."""
    library = app.unit.plan.library
    return math.ceil(sum(load_cost(item.model, library) for item in app.unit.plan.placements) / 10)


def _scaled(app: App, scene: ClusterScene) -> Object:
    seconds = cold_start(app)
    # A pod that is not asked while it loads is not ended before it has answered anything.
    cooldown = max(scene.table.scale.cooldown, 2 * seconds)
    scales = interceptor.scaled if scene.is_intercepted(app) else _by_figures
    found = scales(app, scene, cooldown)
    about = {**found["metadata"], "annotations": {COLD_START: str(seconds)}}
    return {**found, "metadata": about}


def _by_figures(app: App, scene: ClusterScene, cooldown: int) -> Object:
    table, most = scene.table.scale, scene.most(app)
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": meta(app.name, app.name, app.component, scene.table.namespace),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": app.name},
            "pollingInterval": _ASKED_EVERY,
            "initialCooldownPeriod": cooldown,
            "cooldownPeriod": cooldown,
            "minReplicaCount": min(table.min, most),
            "maxReplicaCount": most,
            # Without figures nobody knows: all for which room was proved.
            "fallback": {"failureThreshold": _MISSES, "replicas": most, "behavior": "static"},
            "advanced": {
                "horizontalPodAutoscalerConfig": {
                    "behavior": {
                        "scaleDown": {"stabilizationWindowSeconds": min(cooldown, _LONGEST)}
                    }
                }
            },
            "triggers": [*_triggers(app, scene)],
        },
    }


def _triggers(app: App, scene: ClusterScene) -> Iterator[Object]:
    """Requests in work and in the queue by a pod's slots; and one pod for whoever asks."""
    (backend,) = backends(app.plan)
    name = counted_as(backend.name)
    chosen = f"{{host={text(scene.table.namespace)},envoy_cluster_name={text(name)}}}"
    running = f"envoy_cluster_upstream_rq_active{chosen}"
    waiting = f"envoy_cluster_upstream_rq_pending_active{chosen}"
    # Where there is no pod no request is in work: each attempt is counted before it fails.
    asked = f"increase(envoy_cluster_upstream_rq_pending_total{chosen}[{_WINDOW}])"
    yield _trigger("busy", f"sum({running}) + sum({waiting})", backend.slots, scene)
    yield _trigger("asked", f"clamp_max(ceil(sum({asked})), 1)", 1, scene)


def _trigger(name: str, query: str, threshold: int, scene: ClusterScene) -> Object:
    return {
        "type": "prometheus",
        "name": name,
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": scene.table.scale.prometheus,
            "query": query,
            "threshold": str(threshold),
            # No series is no figure, and not the figure 0.
            "ignoreNullValues": "false",
        },
    }
