"""The whole of llm.toml as a type."""

from typing import Annotated

from pydantic import Field

from llmgen.config.tables.base import FileName, Line, ModelName, Table
from llmgen.config.tables.containers import Apps, Containers
from llmgen.config.tables.gateway import External, Gateway
from llmgen.config.tables.hardware import Hardware, LlamaCpp, Paths
from llmgen.config.tables.hosts import HostTable, Network
from llmgen.config.tables.kubernetes import Kubernetes
from llmgen.config.tables.models import Defaults, ModelTable
from llmgen.config.tables.naming import Naming
from llmgen.config.tables.rpc import Rpc
from llmgen.config.tables.services import Budget, Guard, PlanTable, Services
from llmgen.config.tables.sync import Sync
from llmgen.config.tables.targets import Targets


class Config(Table):
    """llm.toml: hardware, models, services, gateways."""

    edition: Annotated[int, Field(ge=1)]
    """Which defaults and which output this file was written for (`edition = 2`)."""
    requires_llmgen: Line | None = None
    """Versions of llmgen that may read this file (`>=0.1`)."""
    llama_cpp: LlamaCpp = LlamaCpp.model_construct()
    """The llama.cpp build aimed at."""
    hardware: Hardware
    """The machine: a `profile`, or `os`, `backend`, `memory` and `devices`. With [hosts], what
    they have in common."""
    hosts: dict[FileName, HostTable] = Field(default_factory=dict)
    """Several machines: each is planned by itself, and all names are known everywhere."""
    network: Network = Network.model_construct()
    """What lies between the machines, where models use devices of others."""
    kubernetes: Kubernetes | None = None
    """The stack runs on the nodes of a cluster."""
    paths: Paths = Paths.model_construct()
    """Folders and programs."""
    defaults: Defaults = Defaults.model_construct()
    """Options of every model that does not set its own."""
    naming: Naming = Naming.model_construct()
    """What names have in common."""
    models: dict[ModelName, ModelTable] = Field(default_factory=dict)
    """What is served."""
    external: dict[ModelName, External] = Field(default_factory=dict)
    """Models of other servers, routed by the gateways."""
    services: Services = Services.model_construct()
    """What runs as a service."""
    rpc: Rpc = Rpc.model_construct()
    """Devices of other machines, and devices for them."""
    gateway: Gateway = Gateway.model_construct()
    """What clients talk to."""
    apps: Apps = Apps.model_construct()
    """Programs that use the models."""
    containers: Containers = Containers.model_construct()
    """Images, and versions of what runs them."""
    plan: PlanTable = PlanTable.model_construct()
    """Wishes about what is in memory together."""
    budget: Budget = Budget.model_construct()
    """How strict the plan is."""
    guard: Guard = Guard.model_construct()
    """Last resort under memory pressure."""
    sync: Sync | None = None
    """What `llmgen sync` adds and takes out; absent, it refuses to guess."""
    targets: Targets = Targets.model_construct()
    """What the targets aim at."""
