"""What routes of every kind are made from, and the Gateway that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from llmgen.config.config import Config
from llmgen.config.tables.kubernetes import Kubernetes
from llmgen.gateway.routes import RouteTable, routes
from llmgen.plan.plan import Plan
from llmgen.targets.kubernetes.inside import of_gateway
from llmgen.targets.kubernetes.names import Object, meta
from llmgen.targets.kubernetes.scene import ClusterScene

GROUP: Final = "gateway.networking.k8s.io"
# The Gateway, and the first of its routes.
NAME: Final = "llm"
COMPONENT: Final = "gateway"
_HTTP, _HTTPS = 80, 443


class Front(Struct, frozen=True):
    """The cluster, and what a gateway knows of its models."""

    scene: ClusterScene
    plan: Plan
    routes: RouteTable

    @property
    def config(self) -> Config:
        """The whole llm.toml."""
        return self.scene.cluster.config

    @property
    def table(self) -> Kubernetes:
        """[kubernetes]."""
        return self.scene.table

    @property
    def request_timeout(self) -> str:
        """The longest that a request takes: a silence (queue, load, prefill), then the answer."""
        seconds = self.config.gateway.envoy.stream_idle_timeout + self.table.longest_answer
        return duration(seconds)

    def meta(self, name: str) -> Object:
        """The metadata of an object that belongs to the Gateway."""
        return meta(name, NAME, COMPONENT, self.table.namespace)


def front(scene: ClusterScene) -> Front:
    """What a cluster with a gateway routes."""
    unit = scene.cluster.front
    if unit is None:
        raise ValueError("nothing leads into the cluster")
    plan = of_gateway(scene.cluster, unit)
    return Front(scene, plan, routes(plan))


def duration(seconds: int) -> str:
    """A duration of the Gateway API (GEP-2257), whose numbers have at most five digits."""
    return f"{seconds}s" if seconds < 100_000 else f"{-(-seconds // 3600)}h"


def gateway(front: Front, parameters: Mapping[str, str] | None = None) -> Object:
    """The Gateway with its one listener."""
    table = front.table
    listener: Object = {
        "name": "http",
        "port": _HTTPS if table.gateway_certificate else _HTTP,
        "protocol": "HTTPS" if table.gateway_certificate else "HTTP",
        "allowedRoutes": {"namespaces": {"from": "Same"}},
    }
    if table.gateway_hostname:
        listener["hostname"] = table.gateway_hostname
    if table.gateway_certificate:
        named = {"group": "", "kind": "Secret", "name": table.gateway_certificate}
        listener["tls"] = {"mode": "Terminate", "certificateRefs": [named]}
    spec: Object = {"gatewayClassName": table.gateway_class, "listeners": [listener]}
    if parameters is not None:
        spec["infrastructure"] = {"parametersRef": dict(parameters)}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Gateway",
        "metadata": front.meta(NAME),
        "spec": spec,
    }


def parent() -> Object:
    """The Gateway as routes name it."""
    return {"group": GROUP, "kind": "Gateway", "name": NAME}


def service(name: str, port: int) -> Object:
    """A Service as a route leads to it."""
    return {"group": "", "kind": "Service", "name": name, "port": port, "weight": 1}


def http_route(front: Front, name: str, rules: list[Object]) -> Object:
    """An HTTPRoute of the Gateway."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "HTTPRoute",
        "metadata": front.meta(name),
        "spec": route_spec(front, rules),
    }


def route_spec(front: Front, rules: list[Object]) -> Object:
    """What routes of every kind say: whose they are, for which host, and their rules."""
    hosts = [front.table.gateway_hostname] if front.table.gateway_hostname else []
    return {
        "parentRefs": [parent()],
        "rules": rules,
        **({"hostnames": hosts} if hosts else {}),
    }
