"""What may be asked of a stack: only what its own programs have, never another llm.toml's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from llmgen.config.config import Config
from llmgen.engines.loaders import loader_of, table_of
from llmgen.errors import Diagnostic, InputError, LlmgenError, Severity
from llmgen.operate.engines.engine import engine
from llmgen.operate.installation.installed_stack import may_be_installed
from llmgen.operate.managers import containers
from llmgen.operate.managers.by_cron import is_by_cron
from llmgen.operate.site import Site
from llmgen.operate.stack_owner import installed_owner
from llmgen.operate.status import look
from llmgen.operate.status.observations import Observed, UnitState
from llmgen.operate.status.port_holder import (
    OTHER_STACK,
    ServicePort,
    holder,
    of_another_install,
    refusals,
    told,
)
from llmgen.targets import launchd, systemd
from llmgen.targets.containers.container import container_name


class Asking(Struct, frozen=True):
    """Who asks about a stack: the installation, the llm.toml files, and what they render to."""

    site: Site
    stack: tuple[str, ...]
    generated: str = ""


def observe_ports(asking: Asking, wanted: Sequence[ServicePort]) -> Observed:
    """Look at the ports of services, and at the units that may have them."""
    site = asking.site
    noted = installed_owner(site)
    names = [item.unit for item in wanted if item.unit]
    units, no_manager = (
        _units(site, names) if may_be_installed(site) and not is_by_cron(site) else ({}, None)
    )
    return Observed(
        units=units,
        listeners=look.listeners(item.port for item in wanted),
        no_manager=no_manager,
        stack=asking.stack,
        user=look.this_user(),
        generated=asking.generated,
        another=noted if noted is not None and noted.files != asking.stack else None,
    )


def require_ours(asking: Asking, wanted: Sequence[ServicePort]) -> None:
    """Refuse to ask a port that another stack has, or a stranger; LlmgenError for a stack."""
    _refuse(refusals(wanted, observe_ports(asking, wanted)))


def require_no_other(asking: Asking, at: ServicePort) -> None:
    """Refuse a port that another stack of llmgen has; any other program may have it."""
    found = holder(at, observe_ports(asking, [at]))
    if found.owner is not None:
        raise LlmgenError(told(at, found))


def is_ours(asking: Asking, at: ServicePort) -> bool:
    """Whether this stack has a port, so that its keys may be sent there."""
    return holder(at, observe_ports(asking, [at])).may_be_asked


def require_free(asking: Asking, wanted: Sequence[ServicePort]) -> None:
    """Refuse to start services on ports that something has, be it this stack's."""
    seen = observe_ports(asking, wanted)
    _refuse([told(at, holder(at, seen)) for at in wanted if at.port in seen.listeners])


def _refuse(found: Sequence[Diagnostic]) -> None:
    if any(item.code == OTHER_STACK for item in found):
        raise LlmgenError(found)
    if found:
        raise InputError(found)


def require_installed(asking: Asking) -> None:
    """LlmgenError where what is installed is another llm.toml's stack."""
    noted = installed_owner(asking.site)
    if noted is not None and noted.files != asking.stack:
        raise LlmgenError(of_another_install(noted))


def require_removable(asking: Asking) -> None:
    """The same, but for a stack whose llm.toml is gone: nobody else could remove that one."""
    noted = installed_owner(asking.site)
    if noted is not None and noted.is_there:
        require_installed(asking)


def replacing(asking: Asking) -> Iterator[Diagnostic]:
    """What is said by an install that takes another llm.toml's place."""
    noted = installed_owner(asking.site)
    if noted is not None and noted.files != asking.stack:
        told_of = of_another_install(noted)
        yield replace(told_of, severity=Severity.WARNING, code="operate.replaces-stack")


def may_drain(asking: Asking, at: ServicePort) -> bool:
    """Whether who has the engine's port is what an install replaces: this stack, or the old one."""
    seen = observe_ports(asking, [at])
    found = holder(at, seen)
    return found.may_be_asked or (found.owner is not None and found.owner == seen.another)


def engine_port(config: Config, site: Site) -> ServicePort:
    """The port of who loads on-demand models; InputError when nobody does."""
    own = config.services
    found, table, name = engine(config), table_of(own), loader_of(own).service
    if table is None or found.endpoint.inside:
        # It is asked within its container, whoever has that port of the machine.
        return ServicePort(name, unit_name(site)(name), 0, proxied=True)
    return ServicePort(name, unit_name(site)(name), table.port)


def unit_name(site: Site) -> Callable[[str], str]:
    """What keeps a service up calls it: a unit, an agent, or with compose its container."""
    if site.runtime == "compose":
        return container_name
    return launchd.label if site.os == "macos" else systemd.unit


def _units(site: Site, names: Sequence[str]) -> tuple[dict[str, UnitState], Diagnostic | None]:
    try:
        return _states(site, names), None
    except InputError as error:
        return {}, error.diagnostics[0]


def _states(site: Site, names: Sequence[str]) -> dict[str, UnitState]:
    if site.runtime == "compose":
        found = containers.states(site.program, names)
        return {name: found.get(name, look.ABSENT) for name in names}
    units = look.unit_states(site.manager, names)
    if site.runtime == "native":
        return units
    # systemd knows podman's process in front of each container, podman the one within.
    own = {name: name.removesuffix(".service") for name in names}
    inner = containers.states("podman", own.values())
    return {
        name: replace(unit, pid=inner[own[name]].pid, health=inner[own[name]].health)
        if own[name] in inner
        else unit
        for name, unit in units.items()
    }
