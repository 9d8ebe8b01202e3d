"""Envoy AI Gateway 1.0: its Gateway, a Backend for each Service, and the routes by model name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmgen.gateway.listing import body_limit
from llmgen.targets.kubernetes.gateways import ai_policies, ai_routes
from llmgen.targets.kubernetes.gateways.ai_backends import backend_objects, servers
from llmgen.targets.kubernetes.gateways.front import NAME, Front, duration, gateway, parent
from llmgen.targets.kubernetes.names import Object
from llmgen.units import MIB

ENVOY: Final = "gateway.envoyproxy.io"
# Below what any client sends with a picture: Envoy Gateway's own limit is 32 KiB.
_LEAST_BODY: Final = 50 * MIB


def objects(front: Front) -> Iterator[Object]:
    """All of it, what is referred to before what refers to it."""
    found = servers(front)
    yield _proxy(front)
    named = {"group": ENVOY, "kind": "EnvoyProxy", "name": NAME}
    yield gateway(front, named)
    yield _connections(front)
    for server in {item.name: item for item in found.values()}.values():
        yield from backend_objects(front, server)
    yield from ai_routes.routes(front, found)
    yield from ai_policies.policies(front)


def _proxy(front: Front) -> Object:
    """Envoy's Service: outside the cluster it is reached only where clients have keys."""
    keyed = bool(front.config.gateway.envoy.api_keys)
    service = {
        "type": "LoadBalancer" if keyed else "ClusterIP",
        "externalTrafficPolicy": "Local",
    }
    provider = {"type": "Kubernetes", "kubernetes": {"envoyService": service}}
    return {
        "apiVersion": f"{ENVOY}/v1alpha1",
        "kind": "EnvoyProxy",
        "metadata": front.meta(NAME),
        "spec": {"provider": provider},
    }


def _connections(front: Front) -> Object:
    """Bodies as large as the longest context, silences as long as a load; nobody is who he says."""
    envoy = front.config.gateway.envoy
    limit = max(body_limit(front.routes.backends, envoy.max_body), _LEAST_BODY)
    limit = limit if envoy.max_body is None else envoy.max_body
    idle = duration(envoy.stream_idle_timeout)
    return {
        "apiVersion": f"{ENVOY}/v1alpha1",
        "kind": "ClientTrafficPolicy",
        "metadata": front.meta(NAME),
        "spec": {
            "targetRefs": [parent()],
            "connection": {"bufferLimit": f"{-(-limit // MIB)}Mi"},
            "headers": {"earlyRequestHeaders": {"remove": [ai_policies.CLIENT]}},
            "timeout": {"http": {"idleTimeout": idle, "streamIdleTimeout": idle}},
        },
    }
