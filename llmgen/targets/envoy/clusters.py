"""Backends as Envoy clusters: endpoints, slots and queue, health, keys."""

from __future__ import annotations

from msgspec import Struct

from llmgen.gateway.backends import Backend, Endpoint, engine_endpoint, engine_of
from llmgen.plan.model import Plan

# Where the system's certificate authorities are: Debian, Arch, Alpine, NixOS; macOS.
AUTHORITIES = {"linux": "/etc/ssl/certs/ca-certificates.crt", "macos": "/etc/ssl/cert.pem"}
# The cluster of llama-swap or the router itself: only its health is asked.
ENGINE = "engine"


class Cluster(Struct, frozen=True):
    """One cluster of cds.yaml."""

    name: str
    endpoints: tuple[Endpoint, ...]
    slots: int
    pending: int
    health: str = ""
    secret: str = ""
    tls: bool = False
    authorities: str = ""

    @property
    def discovery(self) -> str:
        """How its addresses are found."""
        return "STATIC" if all(item.numeric for item in self.endpoints) else "STRICT_DNS"


def clusters(plan: Plan, backends: tuple[Backend, ...]) -> tuple[Cluster, ...]:
    """One cluster for each model, so that each has its own slots, and one for the engine."""
    queue = plan.library.config.gateway.envoy.queue
    authorities = AUTHORITIES[plan.library.machine.os]
    found = [_cluster(item, queue, authorities) for item in backends]
    if any(item.engine in ("llama_swap", "router") for item in backends) and engine_of(plan):
        found.append(Cluster(ENGINE, (engine_endpoint(plan),), 1, 1, health="/health"))
    return tuple(found)


def _cluster(backend: Backend, queue: int, authorities: str) -> Cluster:
    # Replicas have the same number of slots each; Envoy counts a cluster's connections together.
    slots = backend.slots * len(backend.endpoints)
    return Cluster(
        name=backend.name,
        endpoints=backend.endpoints,
        slots=slots,
        pending=slots + queue,
        health=backend.health,
        secret=backend.secret,
        tls=backend.tls,
        authorities=authorities,
    )
