"""What the other hosts talk to on a host: its one address for all of its models."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from llmgen.config.config import Config
from llmgen.engines.loaders import table_of
from llmgen.gateway.addresses import in_url

DoorKind = Literal["envoy", "litellm", "llama_swap", "router", ""]


class Door(Struct, frozen=True):
    """A listener of a host; "" is none, where every server stands for itself on loopback."""

    kind: DoorKind
    port: int = 0
    tls: bool = False
    asks_certificate: bool = False

    @property
    def routes(self) -> bool:
        """Whether it leads to models of other servers, too."""
        return self.kind not in ("router", "")

    def url(self, address: str) -> str:
        """How another host writes it."""
        return f"{'https' if self.tls else 'http'}://{in_url(address)}:{self.port}"


def door(config: Config) -> Door:
    """The door of a host with this ``config``: its gateway, else what loads its models."""
    gateway, services = config.gateway, config.services
    if gateway.envoy.enable:
        tls = gateway.envoy.tls
        asks = tls is not None and tls.client_ca is not None
        return Door("envoy", gateway.envoy.port, tls is not None, asks)
    if gateway.litellm.enable:
        return Door("litellm", gateway.litellm.port)
    name, table = services.on_demand, table_of(services)
    return Door("") if name == "none" or table is None else Door(name, table.port)
