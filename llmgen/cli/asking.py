"""Before a command asks a server: whether it is one of this llm.toml's stack."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from llmgen.cli.from_afar import config_names, is_from_afar
from llmgen.cli.pipeline import OUTPUT, Read

if TYPE_CHECKING:
    from llmgen.operate.status.asking import Asking
    from llmgen.plan.plan import Placement, Plan


def asking(found: Read) -> Asking:
    """Who asks: this machine's installation, and which llm.toml."""
    from llmgen.operate.site import site
    from llmgen.operate.stack_owner import stack_of, this_stack
    from llmgen.operate.status.asking import Asking

    here = site(found.config)
    names = config_names(found, here.layout)
    stack = stack_of(names) if is_from_afar() else this_stack(here, names)
    return Asking(here, stack, str(Path(found.folder, OUTPUT).resolve()))


def refuse_other_engine(found: Read) -> None:
    """Refuse where another stack, or a stranger, has the port of who loads models."""
    from llmgen.operate.status.asking import engine_port, require_ours

    who = asking(found)
    require_ours(who, [engine_port(found.config, who.site)])


def refuse_other_install(found: Read) -> None:
    """Refuse where what is installed is another llm.toml's."""
    from llmgen.operate.status.asking import require_installed

    require_installed(asking(found))


def refuse_other_removal(found: Read) -> None:
    """Refuse to remove or roll back another llm.toml's stack, as long as that file is there."""
    from llmgen.operate.status.asking import require_removable

    require_removable(asking(found))


def drain_own(found: Read) -> None:
    """Empty the llama-swap that an install is about to change; another stack's is let be."""
    from llmgen.engines.loaders import loader_of
    from llmgen.operate.engines.engine import drain
    from llmgen.operate.status.asking import engine_port, may_drain

    if not loader_of(found.config.services).drains:
        return
    who = asking(found)
    if may_drain(who, engine_port(found.config, who.site)):
        drain(found.config)


def key_of_url(found: Read, placed: Plan, url: str) -> str:
    """The key of this stack's own service at an address here; empty for any other.

    An address here that is another stack's is refused: its figures are not this plan's.
    """
    from urllib.parse import urlsplit

    from llmgen.operate.engines.front import key_at
    from llmgen.operate.status.asking import is_ours, require_no_other
    from llmgen.operate.status.port_holder import ServicePort
    from llmgen.operate.status.stack import expected

    parts = urlsplit(url)
    if not _is_here(parts.hostname or ""):
        return ""
    who, port = asking(found), parts.port or (443 if parts.scheme == "https" else 80)
    reached = (item for item in expected(placed, who.site) if item.published or not item.inside)
    known = {item.port: item.at for item in reached}
    at = known.get(port, ServicePort("", "", port))
    require_no_other(who, at)
    return key_at(found.config, at.name) if port in known and is_ours(who, at) else ""


def _is_here(host: str) -> bool:
    import socket

    import psutil

    own = {item.address for found in psutil.net_if_addrs().values() for item in found}
    try:
        return any(str(item[4][0]) in own for item in socket.getaddrinfo(host, None))
    except OSError:
        return False


def refuse_other_servers(found: Read, placed: Plan, chosen: Collection[Placement]) -> None:
    """Refuse where the server of a model is not this stack's."""
    from llmgen.config.names import service_name
    from llmgen.library import Keep
    from llmgen.operate.status.asking import require_ours
    from llmgen.operate.status.stack import expected

    who = asking(found)
    names = {service_name(item.name) if item.keep is Keep.ALWAYS else "" for item in chosen}
    if "" in names:
        names |= {"swap", "router"}
    wanted = expected(placed, who.site)
    require_ours(who, [item.at for item in wanted if item.service.name in names])
