"""Replicas on this host: servers of a model that nobody planned, and that take memory too."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.config.config import Config
from llmgen.config.tables.models import ModelTable
from llmgen.errors import Diagnostic
from llmgen.gateway.addresses import bare, loopback
from llmgen.library import Keep, Model


def unplanned(table: ModelTable, config: Config) -> int:
    """How many replicas run here beside the servers of llm.toml."""
    if not table.replicas:
        return 0
    services = config.services
    planned = {other.port for other in config.models.values() if other.enable and other.port}
    planned |= {services.llama_swap.port, services.router.port}
    return sum(
        int(port) not in planned and (loopback(bare(host)) or host == config.hardware.host)
        for host, _, port in (text.rpartition(":") for text in table.replicas)
    )


def findings(model: Model) -> Iterator[Diagnostic]:
    """A replica is always there, so its model's memory must be counted in every state."""
    if model.copies and model.keep is Keep.ON_DEMAND and not model.pin:
        yield Diagnostic(
            "models.replica-unplanned",
            f"`{model.name}` is loaded on demand, and a replica of it on this host takes memory "
            "all the time",
            ("models", model.name, "replicas"),
            hint='`keep = "always"`: both are counted in every state; or `pin = true`',
        )
