"""The whole llm.toml with its lock, and each host's own config made from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

from msgspec import Struct, field
from pydantic import ValidationError

from llmgen.config.config import Config
from llmgen.config.load import validated
from llmgen.config.tables.gateway import External, Gateway
from llmgen.errors import ConfigError, Diagnostic
from llmgen.facts.lock_model import Lock
from llmgen.fleet import host_tables, rpc_uses, seats
from llmgen.fleet.door import Door, door
from llmgen.fleet.origin import told_of
from llmgen.fleet.project import Document, own
from llmgen.library import Library
from llmgen.resolve import resolve


class SharedTables(Struct, frozen=True):
    """Tables of [external] as types; one that several hosts share is typed once."""

    # The table itself is kept beside its type: so no other one gets its id.
    known: dict[tuple[str, int], tuple[Document, External]] = field(default_factory=dict)

    def config_of(self, mine: Document, host: str, document: Mapping[str, Any]) -> Config:
        """What ``typed`` gives, sooner."""
        told = mine.get("external", {})
        if not told:
            return typed(mine, host, document)
        new = {name: table for name, table in told.items() if (name, id(table)) not in self.known}
        config = typed({**mine, "external": new}, host, document)
        for name, table in new.items():
            self.known[name, id(table)] = table, config.external[name]
        external = {name: self.known[name, id(table)][1] for name, table in told.items()}
        return config.model_copy(update={"external": external})


class FleetGround(Struct, frozen=True):
    """What every step needs: the whole file, typed and as it is written, and its lock.

    ``gateways`` are those of each host, ``rpc`` is its [rpc], where models use devices of others.
    """

    config: Config
    document: Document
    lock: Lock
    doors: Mapping[str, Door]
    gateways: Mapping[str, Gateway]
    rpc: Mapping[str, Document] = field(default_factory=dict)
    shared: SharedTables = field(default_factory=SharedTables)


def ground_of(config: Config, document: Document, lock: Lock) -> FleetGround:
    """The doors of all hosts; ConfigError for what [hosts] and `host` say wrongly."""
    refuse(
        chain(
            host_tables.findings(config),
            seats.findings(config),
            rpc_uses.findings(config, document),
        )
    )
    hosts = {name: typed(alone(document, name), name, document) for name in config.hosts}
    doors = {name: door(item) for name, item in hosts.items()}
    gateways = {name: item.gateway for name, item in hosts.items()}
    return FleetGround(config, document, lock, doors, gateways)


def alone(document: Document, name: str) -> Document:
    """A host without its models."""
    return {**own(document, name), "models": {}}


def typed(mine: Document, host: str, document: Mapping[str, Any]) -> Config:
    """The config of a host's document; its mistakes are those that only the overlay has."""
    return typed_as(mine, lambda item: told_of(item, host, document))


def typed_as(made: Document, told: Callable[[Diagnostic], Diagnostic]) -> Config:
    """The config of a document made from the whole one; ``told`` says where a mistake is there."""
    try:
        return validated(made)
    except ValidationError as error:
        from llmgen.config.mistakes import diagnostics  # noqa: PLC0415 - only for mistakes

        raise ConfigError([*map(told, diagnostics(error, ()))]) from None
    except ConfigError as error:
        raise ConfigError([*map(told, error.diagnostics)]) from None


def library_of(config: Config, lock: Lock) -> Library:
    """A host's config joined with the lock of all."""
    measured = {ref: entry.measured for ref, entry in lock.entries.items() if entry.measured}
    return resolve(config, lock.facts, measured, lock.runs, lock.checkpoints)


def refuse(found: Iterator[Diagnostic]) -> None:
    errors = [*found]
    if errors:
        raise ConfigError(errors)
