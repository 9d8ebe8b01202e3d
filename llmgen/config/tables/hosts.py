"""[hosts.NAME]: the machines of one llm.toml, each with what is its own."""

from typing import Annotated, Final

from pydantic import Field

from llmgen.config.tables.base import (
    Address,
    ModelName,
    Port,
    Secret,
    Size,
    SshDestination,
    Table,
    Text,
)
from llmgen.config.tables.containers import Apps, Containers
from llmgen.config.tables.gateway import Gateway
from llmgen.config.tables.hardware import Hardware, LlamaCpp, Paths
from llmgen.config.tables.models import Defaults, ModelTable
from llmgen.config.tables.rpc import HostRpc
from llmgen.config.tables.services import Budget, Guard, PlanTable, Services
from llmgen.config.tables.spares import ShownCertificate
from llmgen.config.tables.targets import Targets
from llmgen.config.tables.wake import Wake

# Tables of a host that are laid over those of the whole file.
LAID_OVER: Final = (
    "llama_cpp", "hardware", "network", "paths", "defaults", "services", "gateway", "apps",
    "containers", "plan", "budget", "guard", "targets",
)  # fmt: skip
# Payload of gigabit Ethernet: 941 Mbit/s of TCP in frames of 1500 bytes.
GIGABIT_BYTES: Final = 117_600_000
# `host` that leaves the choice to the planner, and so no host's name.
AUTO: Final = "auto"


class Network(Table):
    """[network]: what lies between the machines."""

    bandwidth: Annotated[Size, Field(ge=1)] = GIGABIT_BYTES
    """Bytes that it carries in a second (`"280MiB"`, 2.5 Gbit/s); loads of models on devices of
    other machines are waited for by it. Absent: what gigabit Ethernet carries."""


class HostTable(Table):
    """[hosts.NAME]: one machine; its tables are laid over those of the whole file."""

    address: Address = "127.0.0.1"
    """How the other hosts reach it; absent: not at all, for a machine that is tried alone."""
    key: Secret | None = None
    """The key that its servers ask of the other hosts, which have it by the same reference."""
    routes: bool = True
    """Names of other hosts answer here, too; false keeps its files short where hosts are many."""
    wake: Wake | None = None
    """It sleeps when nobody needs it: a request for one of its models wakes it, and waits."""
    ca: Text | None = None
    """Authority of its Envoy's certificate: a file on the other hosts; absent: their system's."""
    client_tls: ShownCertificate | None = None
    """The certificate that its Envoy shows to hosts whose `client_ca` asks for one."""
    ssh: SshDestination | None = None
    """Where `ssh` finds it (`studio`, `llm@192.168.1.10`); absent: its address."""
    ssh_port: Port | None = None
    """Port of its sshd; absent: what ~/.ssh/config says."""
    llama_cpp: LlamaCpp = LlamaCpp.model_construct()
    """Its llama.cpp build."""
    hardware: Hardware = Hardware.model_construct()
    """The machine."""
    network: Network = Network.model_construct()
    """What lies between it and the others."""
    paths: Paths = Paths.model_construct()
    """Its folders and programs."""
    defaults: Defaults = Defaults.model_construct()
    """Options of every model on it that does not set its own."""
    services: Services = Services.model_construct()
    """What runs as a service there."""
    gateway: Gateway = Gateway.model_construct()
    """What clients talk to there."""
    apps: Apps = Apps.model_construct()
    """Programs on it that use the models."""
    containers: Containers = Containers.model_construct()
    """Images, and versions of what runs them there."""
    plan: PlanTable = PlanTable.model_construct()
    """Wishes about what is in its memory together."""
    budget: Budget = Budget.model_construct()
    """How strict its plan is."""
    guard: Guard = Guard.model_construct()
    """Last resort under its memory pressure."""
    targets: Targets = Targets.model_construct()
    """What its targets aim at."""
    rpc: HostRpc | None = None
    """Devices that models of the other hosts may use, by llama.cpp's RPC."""
    models: dict[ModelName, ModelTable] = Field(default_factory=dict)
    """Keys of models that are others on this host (`models.NAME.device = ["gpu1"]`)."""
