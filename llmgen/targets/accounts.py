"""As whom the services of a system run: one user for all, or one for each."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Final

from llmgen.config.tables.services import Services
from llmgen.layout import Layout
from llmgen.targets.services import Service

# useradd(8) takes 32 characters.
LONGEST: Final = 31


def user(services: Services, service: str) -> str:
    """The user of a system service; ``service`` is its name."""
    if services.users == "one":
        return services.user
    name = f"{services.user}-{service}".replace(".", "-")
    if len(name) <= LONGEST:
        return name
    digest = sha256(name.encode()).hexdigest()[:6]
    return f"{name[: LONGEST - 7]}-{digest}"


def group(services: Services) -> str | None:
    """Their group; what all of them read (models, configurations) can be its."""
    return services.group or (services.user if services.users == "each" else None)


def lines(service: Service, services: Services) -> Iterator[tuple[str, str]]:
    """The account of a system unit; only what opens devices gets their groups."""
    yield "User", user(services, service.name)
    own = group(services)
    if own is not None:
        yield "Group", own
    # Docker's socket is its group's.
    groups = (*services.groups, *(("docker",) if "docker" in service.runtimes else ()))
    if (service.gpu or service.runtimes) and groups:
        yield "SupplementaryGroups", " ".join(groups)


def own_folder(services: Services, service: str) -> str:
    """Below the state, cache and runtime folders, what is a service's alone; empty: all of it."""
    return service if services.scope == "system" and services.users == "each" else ""


def state_folder(services: Services, layout: Layout, service: str) -> PurePosixPath:
    """Where a service keeps its state."""
    return layout.state / own_folder(services, service)
