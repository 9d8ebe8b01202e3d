"""The servers of a cluster as Envoy AI Gateway knows them: where, by which API, with which key."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from llmgen.cluster.fronts import apart, spoken
from llmgen.config.tables.base import Secret
from llmgen.gateway.addresses import bare, host_name, numeric
from llmgen.gateway.backends import BackendAddress, ModelBackend
from llmgen.gateway.secrets import absolute, backend_secrets
from llmgen.targets.kubernetes.gateways.front import Front
from llmgen.targets.kubernetes.keys import by_entry
from llmgen.targets.kubernetes.names import Object

_ENVOY = "gateway.envoyproxy.io"
_AI = "aigateway.envoyproxy.io"


class AiServer(Struct, frozen=True):
    """Servers that are alike: a Backend, and the API that they speak.

    ``name`` is that of both; models of one engine share it where they speak the same.
    """

    name: str
    api: str
    endpoints: tuple[BackendAddress, ...]
    tls: bool
    prefix: str
    secret: Secret | None


def servers(front: Front) -> dict[str, AiServer]:
    """The server of each backend that can be routed to, by the backend's name.

    PlanError where two have keys that would be one Secret.
    """
    secrets = backend_secrets(front.plan)
    services = {app.name for app in front.scene.apps}
    services |= {item.interceptor for item in front.routes.backends if item.interceptor}
    found: dict[str, AiServer] = {}
    for item in front.routes.backends:
        kind = spoken(item)
        if kind is not None:
            name = _name(item, services, kind[1])
            endpoints = tuple(_endpoint(front, one, services) for one in item.endpoints)
            key = secrets.get(item.secret)
            found[item.name] = AiServer(name, kind[1], endpoints, item.tls, item.prefix, key)
    by_entry(
        absolute(one.secret, front.plan.library.layout) for one in found.values() if one.secret
    )
    return found


def _name(item: ModelBackend, services: set[str], api: str) -> str:
    first = item.endpoints[0].host
    name = first if first in services else host_name(f"external-{item.model}")
    return f"{name}-rerank" if api == "Cohere" else name


def _endpoint(front: Front, item: BackendAddress, services: set[str]) -> BackendAddress:
    """A Service by its whole name: Envoy's own pods are in another namespace."""
    if item.host not in services:
        return item
    table = front.table
    return BackendAddress(f"{item.host}.{table.namespace}.svc.{table.domain}", item.port)


def backend_objects(front: Front, server: AiServer) -> Iterator[Object]:
    """Its Backend, AIServiceBackend and, where it wants a key, BackendSecurityPolicy."""
    spec: Object = {
        "type": "Endpoints",
        "endpoints": [_place(item) for item in server.endpoints],
    }
    if server.tls:
        spec["tls"] = {"wellKnownCACertificates": "System", "insecureSkipVerify": False}
    meta = front.meta(server.name)
    yield {
        "apiVersion": f"{_ENVOY}/v1alpha1",
        "kind": "Backend",
        "metadata": meta,
        "spec": spec,
    }
    yield {
        "apiVersion": f"{_AI}/v1beta1",
        "kind": "AIServiceBackend",
        "metadata": meta,
        "spec": {
            "schema": _schema(server),
            "backendRef": {"group": _ENVOY, "kind": "Backend", "name": server.name},
        },
    }
    if server.secret is not None:
        target = {"group": _AI, "kind": "AIServiceBackend", "name": server.name}
        named = {"group": "", "kind": "Secret", "name": apart(front.table, server.secret)}
        yield {
            "apiVersion": f"{_AI}/v1beta1",
            "kind": "BackendSecurityPolicy",
            "metadata": meta,
            "spec": {
                "targetRefs": [target],
                "type": "APIKey",
                "apiKey": {"secretRef": named},
            },
        }


def _place(item: BackendAddress) -> Object:
    if numeric(item.host):
        return {"ip": {"address": bare(item.host), "port": item.port}}
    return {"fqdn": {"hostname": item.host.lower(), "port": item.port}}


def _schema(server: AiServer) -> Object:
    """OpenAI's paths are below a prefix; of Cohere's rerank the version is the prefix."""
    prefix = f"{server.prefix}/v1"
    if server.api == "Cohere":
        return {"name": "Cohere", "version": prefix.removeprefix("/")}
    return {"name": "OpenAI", "prefix": prefix}
