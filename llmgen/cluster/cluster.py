"""A cluster: its pools of nodes, and the pods that run there, each with a plan of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from llmgen.config.config import Config
from llmgen.config.tables.kubernetes import Kubernetes, PoolTable
from llmgen.errors import Diagnostic
from llmgen.facts.lock_model import Lock
from llmgen.machine import Machine
from llmgen.plan.plan import Plan

# What a pod is for: one always-on model, an engine with all on-demand ones, what clients talk to.
PodSetKind: TypeAlias = Literal["model", "swap", "router", "gateway"]


class NodePool(Struct, frozen=True):
    """A pool: ``node`` is what each of its nodes is like, ``resource`` a device's name there.

    ``table`` is what llm.toml says of it.
    """

    name: str
    table: PoolTable
    node: Machine
    resource: str


class Planned(Struct, frozen=True):
    """Some models in one pod: its document, its config, its plan, and how many devices it has."""

    document: Mapping[str, Any]
    config: Config
    plan: Plan
    devices: int


class PodSet(Struct, frozen=True):
    """Pods that are alike: ``name`` is that of their controller and Service, a DNS label.

    ``plan`` is that of a machine which is only for them, with ``devices`` of its pool's node.
    ``models`` are the names in llm.toml, ``port`` is where the Service leads to. Over several
    ``nodes`` a copy is as many pods, each with its devices, and the plan is of all together.
    """

    name: str
    kind: PodSetKind
    pool: str
    copies: int
    devices: int
    document: Mapping[str, Any]
    config: Config
    plan: Plan
    models: tuple[str, ...] = ()
    port: int = 0
    nodes: int = 1


class Cluster(Struct, frozen=True):
    """Everything that runs in the namespace.

    ``units`` are in the order of llm.toml, the gateway last; ``reasons`` say why a model is where
    it is, where llm.toml left that open. ``front`` has what a gateway knows of all models, whoever
    leads into the cluster; ``lock`` is that of all models.
    """

    table: Kubernetes
    config: Config
    pools: Mapping[str, NodePool]
    units: tuple[PodSet, ...]
    reasons: Mapping[str, str]
    notes: tuple[Diagnostic, ...] = ()
    front: PodSet | None = None
    lock: Lock = field(default_factory=Lock)

    @property
    def serving(self) -> tuple[PodSet, ...]:
        """The pods with models."""
        return tuple(item for item in self.units if item.kind != "gateway")

    @property
    def gateway(self) -> PodSet | None:
        """The pods that clients talk to; None where nothing of [gateway] is enabled."""
        return next((item for item in self.units if item.kind == "gateway"), None)
