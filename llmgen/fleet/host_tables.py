"""What the tables of [hosts] say wrongly, each by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmgen.config.config import Config
from llmgen.config.tables.hosts import AUTO
from llmgen.errors import Diagnostic
from llmgen.fleet.seats import near
from llmgen.gateway.addresses import loopback, wildcard


def findings(config: Config) -> Iterator[Diagnostic]:
    """Names, addresses and keys that cannot be, and tables for models that are none."""
    if AUTO in config.hosts:
        yield Diagnostic(
            "hosts.name",
            f"`{AUTO}` is no name of a host: it leaves the choice to the planner",
            ("hosts", AUTO),
            hint="name it differently",
        )
    for name, machine in config.hosts.items():
        if wildcard(machine.address):
            yield Diagnostic(
                "hosts.wildcard",
                f"`{machine.address}` is every address of a machine, and the others need one",
                ("hosts", name, "address"),
                hint="write the address under which the other hosts reach it",
            )
        if len(config.hosts) > 1 and machine.key is None and not loopback(machine.address):
            yield Diagnostic(
                "hosts.no-key",
                f"the other hosts reach `{name}` at `{machine.address}`, and so would anyone else",
                ("hosts", name, "address"),
                hint=f"`key = {{ env = {_variable(name)} }}` in [hosts.{name}]: what its servers "
                "ask of the others",
            )
    for host, own in config.hosts.items():
        for name in own.models:
            if name not in config.models:
                yield Diagnostic(
                    "hosts.no-model",
                    f"`{name}` is no model of this file, so nothing of it is other on `{host}`",
                    ("hosts", host, "models", name),
                    hint=near(name, config.models, "models are those of [models.*]"),
                )


def _variable(host: str) -> str:
    """A name for the variable with a host's key, as TOML writes it."""
    return '"' + re.sub(r"[^A-Z0-9]+", "_", host.upper()) + '_KEY"'
