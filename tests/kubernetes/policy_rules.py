"""Who may reach whom by NetworkPolicies, as the API's own description has it.

A pod that a policy selects for a direction is closed in it, but for what any such policy allows.
"""

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network


@dataclass(frozen=True)
class Peer:
    """A pod, or with ``namespace`` None a machine outside of the cluster."""

    name: str
    namespace: str | None = None
    labels: dict = field(default_factory=dict)
    ports: dict = field(default_factory=dict)
    address: str = "10.0.0.1"


def allows(policies, source, target, port, protocol="TCP"):
    """Whether a connection from one to a port of the other comes through."""
    leaves = _passes(policies, "Egress", source, target, target, port, protocol)
    return leaves and _passes(policies, "Ingress", target, source, target, port, protocol)


def _passes(policies, direction, closed, other, target, port, protocol):
    mine = [
        item["spec"]
        for item in policies
        if direction in item["spec"]["policyTypes"]
        and item["metadata"]["namespace"] == closed.namespace
        and _selects(item["spec"]["podSelector"], closed.labels)
    ]
    if not mine:
        return True
    rules, peers = {"Egress": ("egress", "to"), "Ingress": ("ingress", "from")}[direction]
    return any(
        _peer(rule.get(peers), other, closed.namespace)
        and _port(rule.get("ports"), target, port, protocol)
        for spec in mine
        for rule in spec.get(rules, ())
    )


def _peer(peers, other, namespace):
    if not peers:
        return True
    return any(_is(peer, other, namespace) for peer in peers)


def _is(peer, other, namespace):
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        address = ip_address(other.address)
        excepted = any(address in ip_network(one) for one in block.get("except", ()))
        return address in ip_network(block["cidr"]) and not excepted
    if other.namespace is None:
        return False
    if "namespaceSelector" in peer:
        own = {"kubernetes.io/metadata.name": other.namespace}
        if not _selects(peer["namespaceSelector"], own):
            return False
    elif other.namespace != namespace:
        return False
    return _selects(peer.get("podSelector", {}), other.labels)


def _port(ports, target, port, protocol):
    return not ports or any(
        one.get("protocol", "TCP") == protocol and _number(one, target, port) == port
        for one in ports
    )


def _number(one, target, port):
    """The number that is meant: of the target's own port by its name, or any."""
    told = one.get("port", port)
    return target.ports.get(told) if isinstance(told, str) else told


def _selects(selector, labels):
    told = selector.get("matchLabels", {}).items()
    return all(labels.get(key) == value for key, value in told) and all(
        _holds(item, labels) for item in selector.get("matchExpressions", ())
    )


def _holds(item, labels):
    key, values = item["key"], item.get("values", ())
    match item["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
