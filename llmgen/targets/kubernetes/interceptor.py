"""KEDA's HTTP add-on (v0.12): its interceptor is asked instead of the pods of a model.

It knows a model by the `Host` of a request. That is the name of a Service which stands for the
interceptor (`ExternalName`), with the namespace: interceptors know the models of all namespaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from llmgen.gateway.backends import backends
from llmgen.targets.kubernetes.destinations import namespace
from llmgen.targets.kubernetes.names import Object, meta, short

if TYPE_CHECKING:
    from llmgen.targets.kubernetes.scene import App, ClusterScene

# The Service of the add-on's own chart, and the port of its pods.
_SERVICE: Final = "keda-add-ons-http-interceptor-proxy"
PORT: Final = 8080
# Where the gateway waits without end; no pod takes a day to start.
_DAY_SECONDS: Final = 86_400


def name_of(unit: str) -> str:
    """The Service by which gateways reach the interceptor for a unit."""
    return short(f"interceptor-{unit}")


def patience_seconds(scene: ClusterScene) -> int:
    """How long a request waits for a pod: as long as the gateway waits."""
    return scene.cluster.config.gateway.envoy.stream_idle_timeout or _DAY_SECONDS


def service(app: App, scene: ClusterScene) -> Object:
    """The interceptor's Service under a name that is the model's."""
    table = scene.table
    place = f"{_SERVICE}.{table.scale.namespace}.svc.{table.domain}"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(name_of(app.name), app.name, app.component, table.namespace),
        "spec": {"type": "ExternalName", "externalName": place, "sessionAffinity": "None"},
    }


def scaled(app: App, scene: ClusterScene, cooldown: int) -> Object:
    """Its pods by the requests that the interceptor has in work, those that wait among them."""
    table, most = scene.table, scene.most(app)
    (backend,) = backends(app.plan)
    host = f"{name_of(app.name)}.{table.namespace}"
    silence = patience_seconds(scene)
    return {
        "apiVersion": "http.keda.sh/v1alpha1",
        "kind": "HTTPScaledObject",
        "metadata": meta(app.name, app.name, app.component, table.namespace),
        "spec": {
            "hosts": [host, f"{host}.svc.{table.domain}"],
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": app.name,
                "service": app.name,
                "port": app.container.port,
            },
            "replicas": {"min": min(table.scale.min, most), "max": most},
            "initialCooldownPeriod": cooldown,
            "scaledownPeriod": cooldown,
            "scalingMetric": {"concurrency": {"targetValue": backend.slots}},
            # As long as the gateway waits; an answer that is not streamed comes at its end.
            "timeouts": {
                "conditionWait": f"{silence}s",
                "responseHeader": f"{silence + table.longest_answer}s",
            },
        },
    }


def peer(scene: ClusterScene) -> Object:
    """The interceptor's pods."""
    return namespace(scene.table.scale.namespace)


def is_asked(scene: ClusterScene) -> bool:
    """Whether there is a model that is asked by it."""
    return any(map(scene.is_intercepted, scene.apps))
