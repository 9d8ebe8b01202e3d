"""NetworkPolicies: who may reach whom. What none of them allows is not to be.

They add up, so what a stack needs beyond these is a policy more (in another DNS namespace, say).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from llmgen.gateway.exposure import listeners
from llmgen.targets.kubernetes import interceptor, model_files
from llmgen.targets.kubernetes.destinations import PUBLIC, destinations, namespace
from llmgen.targets.kubernetes.download import NAME as DOWNLOAD
from llmgen.targets.kubernetes.gateways import endpoint_pickers
from llmgen.targets.kubernetes.names import (
    ACCOUNT,
    APP,
    COMPONENT,
    MANAGER,
    NETWORK,
    PART_OF,
    PICKER,
    Object,
    meta,
)
from llmgen.targets.kubernetes.scene import App, ClusterScene
from llmgen.targets.kubernetes.scrape_jobs import metrics_port
from llmgen.targets.kubernetes.styles import kserve

# What a pod of the namespace wears that may ask a gateway without keys.
CLIENT: Final = "llmgen.io/client"
_DNS_PORTS: Final = (("UDP", 53), ("TCP", 53))
# Where the cache of a node answers (kubernetes/dns, nodelocaldns).
_NODE_DNS: Final = "169.254.20.10/32"
_HTTPS: Final = 443
_API: Final = (443, 6443)


def objects(scene: ClusterScene) -> Iterator[tuple[str, Object]]:
    """Nothing is allowed, then what is needed."""
    yield from ((NETWORK, item) for item in _policies(scene))


def _policies(scene: ClusterScene) -> Iterator[Object]:
    named = scene.table.namespace
    own: Object = {"matchLabels": {PART_OF: MANAGER}}
    none: Object = {"policyTypes": ["Ingress", "Egress"]}
    yield _policy("default-deny", named, own, none)
    if _of_kserve(scene):
        yield _policy("kserve-default-deny", named, {"matchLabels": kserve.OF_LLM}, none)
    yield from _asked(scene)
    yield from _asking(scene)


def _asked(scene: ClusterScene) -> Iterator[Object]:
    """Who may ask servers, gateways, and all of them for metrics."""
    named, http = scene.table.namespace, [_port("http")]
    told = {"ingress": [{"from": [*_before_servers(scene)], "ports": http}]}
    for name, pods in _servers(scene).items():
        yield _policy(name, named, pods, _ingress(told))
    keyed = {item.service for item in listeners(scene.cluster.config) if item.keyed}
    for app in scene.gateways:
        rule: Object = {"ports": http}
        if app.container.name not in keyed:
            rule["from"] = [{"podSelector": {"matchLabels": {CLIENT: "true"}}}, *_outer(scene)]
        yield _policy(app.name, named, _named([app.name]), _ingress({"ingress": [rule]}))
    for app in scene.serving:
        if app.form == "group":
            # Its pods talk to each other at ports of their choice, without a password.
            peers = [{"podSelector": _named([app.name])}]
            told = {"ingress": [{"from": peers}], "egress": [{"to": peers}]}
            both: Object = {"policyTypes": ["Ingress", "Egress"], **told}
            yield _policy(f"{app.name}-group", named, _named([app.name]), both)
    if endpoint_pickers.picks(scene):
        rule = {"from": [*_outer(scene)], "ports": [_port(endpoint_pickers.PORT)]}
        told = {"ingress": [rule]}
        yield _policy("pickers", named, _any(COMPONENT, [PICKER]), _ingress(told))
    yield from _measured(scene)


def _before_servers(scene: ClusterScene) -> Iterator[Object]:
    """The gateways; without any, every pod of the namespace."""
    found = [*_outer(scene)]
    if endpoint_pickers.picks(scene):
        found.append({"podSelector": _any(COMPONENT, [PICKER])})
    if scene.gateways:
        found.insert(0, {"podSelector": _any(COMPONENT, ["gateway"])})
    if interceptor.is_asked(scene):
        found.append(interceptor.peer(scene))
    yield from found or [{"podSelector": {}}]


def _outer(scene: ClusterScene) -> Iterator[Object]:
    """The pods of the cluster's own gateway."""
    if scene.table.gateway != "none":
        yield namespace(scene.table.gateway_namespace)


def _measured(scene: ClusterScene) -> Iterator[Object]:
    """Prometheus asks servers where clients do, and Envoy at a port of its own."""
    table = scene.table
    if not table.monitoring.enable:
        return
    peers = [namespace(table.monitoring.namespace)]
    asked: list[tuple[str, Object, str | int | None]] = []
    asked += [(name, pods, "http") for name, pods in _servers(scene).items()]
    asked += [(app.name, _named([app.name]), _metrics(app)) for app in scene.gateways]
    for name, pods, port in asked:
        if port is not None:
            told = {"ingress": [{"from": peers, "ports": [_port(port)]}]}
            yield _policy(f"{name}-metrics", table.namespace, pods, _ingress(told))


def _metrics(app: App) -> str | int | None:
    """The port of a gateway that tells of itself; None where none does."""
    if app.container.name == "envoy":
        return metrics_port(app)
    return "http" if app.unit.config.gateway.litellm.prometheus else None


def _asking(scene: ClusterScene) -> Iterator[Object]:
    """Whom pods may ask: gateways the servers, what downloads the Hub, and both a DNS server."""
    named = scene.table.namespace
    hub = {"to": PUBLIC, "ports": [_port(_HTTPS)]}
    resolving = [app.name for app in scene.gateways]
    if scene.gateways:
        servers = [{"podSelector": pods} for pods in _servers(scene).values()]
        rules: list[Object] = [{"to": servers, "ports": [_port("http")]}] if servers else []
        rules += destinations(scene)
        if interceptor.is_asked(scene):
            rules.append({"to": [interceptor.peer(scene)], "ports": [_port(interceptor.PORT)]})
        yield _policy(
            "gateways-out", named, _any(COMPONENT, ["gateway"]), _egress({"egress": rules})
        )
    if endpoint_pickers.picks(scene):
        servers = [{"podSelector": pods} for pods in _servers(scene).values()]
        # The API server has no labels, and its port is one of these.
        watched = {"to": PUBLIC, "ports": [_port(number) for number in _API]}
        told = {"egress": [watched, {"to": servers, "ports": [_port("http")]}]}
        yield _policy("pickers-out", named, _any(COMPONENT, [PICKER]), _egress(told))
    loading = [
        app.name
        for app in scene.serving
        if any(map(model_files.loads_itself, app.plan.library.models))
    ]
    if model_files.downloads(scene):
        loading.append(DOWNLOAD)
    if loading:
        yield _policy("downloads-out", named, _named(loading), _egress({"egress": [hub]}))
    resolving += [app.name for app in scene.serving if app.form == "group"]
    if resolving := [*dict.fromkeys((*resolving, *loading))]:
        yield _policy("dns-out", named, _named(resolving), _egress({"egress": [_dns()]}))


def _dns() -> Object:
    servers = {
        **namespace("kube-system"),
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    return {
        "to": [servers, {"ipBlock": {"cidr": _NODE_DNS}}],
        "ports": [_port(number, protocol) for protocol, number in _DNS_PORTS],
    }


def _servers(scene: ClusterScene) -> dict[str, Object]:
    """The pods with models, by what they are; those of KServe wear its own labels."""
    found: dict[str, Object] = {}
    if ours := {app.component for app in scene.serving if app.form != "llm"}:
        found["servers"] = _any(COMPONENT, ours)
    if names := _of_kserve(scene):
        named = {"key": APP, "operator": "In", "values": names}
        found["kserve-servers"] = {"matchLabels": kserve.OF_LLM, "matchExpressions": [named]}
    return found


def _of_kserve(scene: ClusterScene) -> list[str]:
    return sorted(app.name for app in scene.serving if app.form == "llm")


def _named(names: Iterable[str]) -> Object:
    return _any(APP, names)


def _any(key: str, values: Iterable[str]) -> Object:
    found = sorted(values)
    own = {PART_OF: MANAGER}
    if len(found) == 1:
        return {"matchLabels": {**own, key: found[0]}}
    return {
        "matchLabels": own,
        "matchExpressions": [{"key": key, "operator": "In", "values": found}],
    }


def _port(port: str | int, protocol: str = "TCP") -> Object:
    return {"port": port, "protocol": protocol}


def _ingress(told: Object) -> Object:
    return {"policyTypes": ["Ingress"], **told}


def _egress(told: Object) -> Object:
    return {"policyTypes": ["Egress"], **told}


def _policy(name: str, namespace: str, pods: Object, told: Object) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": meta(f"llmgen-{name}", ACCOUNT, "network", namespace),
        "spec": {"podSelector": pods, **told},
    }
