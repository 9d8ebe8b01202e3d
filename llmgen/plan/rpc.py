"""Devices of other machines, as one llama-server sees them: endpoints of ``--rpc``, and names.

llama-server numbers them over all endpoints in the order in which it is told of them, within one in
the order in which the RPC server was told its own: RPC0, RPC1 … (ggml_backend_rpc_add_server in
ggml-rpc.cpp, b11434). Each server is told the endpoints that it uses and no others, for an RPC
server serves one client and lets the next one wait.
"""

from __future__ import annotations

from llmgen.budget.settings import ServerSettings
from llmgen.gateway.addresses import LOOPBACK
from llmgen.library import Library
from llmgen.machine import MachineDevice


def borrowed(settings: ServerSettings, library: Library) -> tuple[MachineDevice, ...]:
    """The devices of other machines that a server uses, in the order in which it numbers them."""
    known = {item.key: item for item in library.machine.borrowed}
    drafted = settings.draft.devices if settings.draft is not None else ()
    used = [known[key] for key in dict.fromkeys((*settings.devices, *drafted)) if key in known]
    lenders = [*dict.fromkeys(item.lender for item in used)]
    return tuple(sorted(used, key=lambda item: lenders.index(item.lender)))


def names(settings: ServerSettings, library: Library) -> dict[str, str]:
    """What the server calls each device: by key, those of other machines included."""
    own = {device.key: device.name for device in library.machine.devices}
    others = enumerate(borrowed(settings, library))
    return own | {item.key: f"RPC{number}" for number, item in others}


def endpoints(
    model: str, settings: ServerSettings, library: Library
) -> dict[str, tuple[MachineDevice, ...]]:
    """The devices behind each ``HOST:PORT`` that a model's server talks to, in its order."""
    devices = borrowed(settings, library)
    return {
        _endpoint(model, lender, library): tuple(item for item in devices if item.lender == lender)
        for lender in dict.fromkeys(item.lender for item in devices)
    }


def _endpoint(model: str, lender: str, library: Library) -> str:
    table = library.config.rpc.borrow[lender]
    # A tunnel ends at loopback, on the port that it leads to.
    address = LOOPBACK if table.link == "tunnel" else table.address
    return f"{address}:{port(model, lender, library)}"


def port(model: str, lender: str, library: Library) -> int:
    """The port of the model's RPC server there."""
    return library.config.rpc.borrow[lender].ports[model.removeprefix(library.prefix)]
