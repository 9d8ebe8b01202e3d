"""Backends as Envoy clusters: endpoints, slots and queue, health, keys."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from llmgen.config.tables.spares import ShownCertificate
from llmgen.gateway.addresses import host_name
from llmgen.gateway.backends import BackendAddress, ModelBackend, engine_endpoint, engine_of
from llmgen.gateway.remotes import Remote, unlike
from llmgen.layout import Layout, expand
from llmgen.plan.plan import Plan

# Where the system's certificate authorities are: Debian, Arch, Alpine, NixOS; macOS.
AUTHORITIES = {"linux": "/etc/ssl/certs/ca-certificates.crt", "macos": "/etc/ssl/cert.pem"}
# The cluster of llama-swap or the router itself: only its health is asked.
ENGINE = "engine"
# Slots and queue of a model are counted before its door.
MANY = 100_000
# Milliseconds that what was sent to another machine may be without a word that it arrived.
PATIENCE = 10_000


class EnvoyCluster(Struct, frozen=True):
    """One cluster of cds.yaml; a ``door`` is another machine, for all models that are there."""

    name: str
    endpoints: tuple[BackendAddress, ...]
    slots: int
    pending: int
    health: str = ""
    secret: str = ""
    tls: bool = False
    authorities: str = ""
    shown: str = ""
    door: bool = False
    far: bool = False
    patience: int = 0

    @property
    def counted(self) -> str:
        """What its figures are called where that is not its name."""
        return counted_as(self.name) if "." in self.name else ""

    @property
    def discovery(self) -> str:
        """How its addresses are found."""
        return "STATIC" if all(item.numeric for item in self.endpoints) else "STRICT_DNS"


def clusters(plan: Plan, backends: tuple[ModelBackend, ...]) -> tuple[EnvoyCluster, ...]:
    """One cluster for each model, so that each has its own slots, and one for the engine."""
    queue = plan.library.config.gateway.envoy.queue
    found = [_cluster(item, queue, plan) for item in backends]
    found += [_door(item, plan) for item in doors(backends)]
    if any(item.engine in ("llama_swap", "router") for item in backends) and engine_of(plan):
        found.append(EnvoyCluster(ENGINE, (engine_endpoint(plan),), 1, 1, health="/health"))
    return tuple(found)


def counted_as(name: str) -> str:
    """What Envoy's figures call a cluster: a dot would end its name, and `:` is none of theirs."""
    return name.replace(".", "_").replace(":", "_")


def doors(backends: tuple[ModelBackend, ...]) -> tuple[Remote, ...]:
    """Every server of models that have several machines, once."""
    return unlike(item for backend in backends for item in backend.failover)


def certificates(backends: tuple[ModelBackend, ...]) -> Iterator[ShownCertificate]:
    """Every certificate that is shown to a server."""
    every = (*(item.shown for item in backends), *(item.shown for item in doors(backends)))
    yield from {shown_name(item): item for item in every if item}.values()


def shown_name(item: ShownCertificate | None) -> str:
    """The name of a certificate among the secrets."""
    return f"shown.{host_name(f'{item.cert} {item.key}')}" if item else ""


def authority(told: str, layout: Layout, system: str) -> str:
    """The file with whom a server's certificate has to be from."""
    if not told:
        return system
    return str(layout.config / expand(told, layout.home, ("paths", "home")))


def _door(item: Remote, plan: Plan) -> EnvoyCluster:
    return EnvoyCluster(
        name=f"door/{item.label}",
        endpoints=(BackendAddress(item.host, item.port),),
        slots=MANY,
        pending=MANY,
        secret=item.key,
        tls=item.tls,
        authorities=_authorities(item.ca, plan),
        shown=shown_name(item.shown),
        door=True,
        far=True,
        patience=_patience(plan),
    )


def _patience(plan: Plan) -> int:
    return PATIENCE if plan.library.machine.os == "linux" else 0


def _authorities(told: str, plan: Plan) -> str:
    return authority(told, plan.library.layout, AUTHORITIES[plan.library.machine.os])


def _cluster(backend: ModelBackend, queue: int, plan: Plan) -> EnvoyCluster:
    # Replicas have the same number of slots each; Envoy counts a cluster's connections together.
    slots = backend.slots * len(backend.endpoints)
    return EnvoyCluster(
        name=backend.name,
        endpoints=backend.endpoints,
        slots=slots,
        pending=slots + queue,
        health=backend.health,
        secret=backend.secret,
        tls=backend.tls,
        authorities=_authorities(backend.ca, plan),
        shown=shown_name(backend.shown),
        far=backend.told,
        patience=_patience(plan) if backend.told else 0,
    )
