"""Servers elsewhere that a gateway asks, as peers of a NetworkPolicy, which knows no names."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from llmgen.gateway.addresses import numeric
from llmgen.gateway.remotes import remote, servers
from llmgen.targets.kubernetes.names import Object

if TYPE_CHECKING:
    from llmgen.targets.kubernetes.scene import ClusterScene

PUBLIC: Final[list[Object]] = [
    {"ipBlock": {"cidr": "0.0.0.0/0"}},
    {"ipBlock": {"cidr": "::/0"}},
]


def destinations(scene: ClusterScene) -> Iterator[Object]:
    """A rule for each, sorted: its address, its namespace, or for a name its port anywhere."""
    own = {unit.name for unit in scene.cluster.serving}
    found = {place for place in _places(scene) if place[0] not in own}
    rules = {str(rule): rule for rule in (_rule(scene, *place) for place in sorted(found))}
    yield from rules.values()


def namespace(name: str) -> Object:
    """Every pod of a namespace."""
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _places(scene: ClusterScene) -> Iterator[tuple[str, int]]:
    """(host, port) of every server that is none of the stack's own."""
    config = scene.cluster.config
    for item in config.external.values():
        for one in map(remote, servers(item)):
            yield one.host, one.port
    for table in config.models.values():
        if not table.enable:
            continue
        for one in map(remote, table.failover):
            yield one.host, one.port
        for text in table.replicas:
            host, _, port = text.rpartition(":")
            yield host.strip("[]"), int(port)


def _rule(scene: ClusterScene, host: str, port: int) -> Object:
    ports = [{"port": port, "protocol": "TCP"}]
    if numeric(host):
        address = ip_address(host)
        return {"to": [{"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}}], "ports": ports}
    place = _namespace(host, scene.table.domain)
    if place is None:
        return {"to": PUBLIC, "ports": ports}
    # A Service's own port is not that of its pods, which is what policies are about.
    peer: Object = namespace(place) if place else {"podSelector": {}}
    return {"to": [peer], "ports": [{"protocol": "TCP"}]}


def _namespace(host: str, domain: str) -> str | None:
    """The namespace of a Service; empty for the own one, None for a name of other machines."""
    if "." not in host:
        return ""
    _, *rest = host.removesuffix(f".{domain}").split(".")
    return rest[0] if len(rest) == 2 and rest[1] == "svc" else None
