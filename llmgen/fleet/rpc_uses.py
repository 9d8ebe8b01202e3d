"""Who uses whose devices, as models and [hosts.NAME.rpc] say it; mistakes with their places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

from msgspec import Struct

from llmgen.config.config import Config
from llmgen.config.names import file_name
from llmgen.config.tables.hosts import AUTO
from llmgen.errors import Diagnostic, KeyPath
from llmgen.fleet.project import Document, ModelSeats, own
from llmgen.resolve.rpc import refuse_open

_MARK = "rpc:"
# What names of files and units may have.
_LONGEST = 64


class Use(Struct, frozen=True):
    """A model on a borrower, with devices of one lender: ``rpc:LENDER/gpu0`` as it is written."""

    borrower: str
    model: str
    lender: str
    devices: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the lender calls it."""
        name = f"{self.borrower}.{file_name(self.model)}"
        if len(name) <= _LONGEST:
            return name
        return f"{name[: _LONGEST - 9]}-{sha256(name.encode()).hexdigest()[:8]}"


def uses(document: Document, seats: ModelSeats) -> tuple[Use, ...]:
    """Every model that uses devices of other hosts, in the order of hosts and models."""
    return tuple(_uses(document, seats))


def _uses(document: Document, seats: ModelSeats) -> Iterator[Use]:
    for host in document["hosts"]:
        mine = own(document, host)
        usual = mine.get("defaults", {}).get("device", ())
        for name, table in mine["models"].items():
            if host not in seats.get(name, ()):
                continue
            device, draft = table.get("device", usual), table.get("draft", {}).get("device", ())
            # Without a device nothing is far: so it is with most of hundreds of models.
            if not device and not draft:
                continue
            found = [item for item in (*_list(device), *draft) if _far(item)]
            for lender in dict.fromkeys(item[len(_MARK) :].partition("/")[0] for item in found):
                there = (item for item in found if item.startswith(f"{_MARK}{lender}/"))
                yield Use(host, name, lender, tuple(dict.fromkeys(there)))


def _list(device: object) -> Sequence[str]:
    return device if isinstance(device, list | tuple) else ()


def _far(device: str) -> bool:
    return device.startswith(_MARK)


def findings(config: Config, document: Document) -> Iterator[Diagnostic]:
    """What cannot be lent or borrowed, before anything is planned."""
    if config.hosts and config.rpc.model_fields_set:
        yield Diagnostic(
            "rpc.of-all-hosts",
            "[rpc] would be the same on every host",
            ("rpc",),
            hint="what a host lends stands in its own table: `[hosts.NAME.rpc]`",
        )
    for name, host in config.hosts.items():
        if host.rpc is not None and host.rpc.link == "private":
            who = f"the RPC servers of `{name}`"
            yield from refuse_open(("hosts", name, "address"), who, host.address, "private")
    everywhere = {
        name: tuple(config.hosts) for name, table in config.models.items() if table.enable
    }
    told = {(use.model, use.lender): use for use in uses(document, everywhere)}
    for use in told.values():
        yield from _of_use(use, config)


def _of_use(use: Use, config: Config) -> Iterator[Diagnostic]:
    key: KeyPath = ("models", use.model, "device")
    lender, table = config.hosts.get(use.lender), config.models[use.model]
    if lender is None:
        yield Diagnostic(
            "rpc.no-host",
            f"`{use.model}` is put on `{use.devices[0]}`, and there is no host `{use.lender}`",
            key,
            hint=f"hosts are {', '.join(config.hosts)}",
        )
        return
    lent = lender.rpc.devices if lender.rpc is not None else ()
    for device in use.devices:
        name = device.partition("/")[2]
        if name not in lent:
            names = ", ".join(map(_quoted, (*lent, name)))
            yield Diagnostic(
                "rpc.not-lent",
                f"`{use.model}` is put on `{device}`, and `{use.lender}` does not lend it",
                key,
                hint=f"in [hosts.{use.lender}.rpc]: `devices = [{names}]`",
            )
    told = (table.host,) if isinstance(table.host, str) else table.host or ()
    if not told or AUTO in told:
        yield Diagnostic(
            "rpc.host-open",
            f"`{use.model}` uses a device of `{use.lender}`, and nobody says from which host",
            key,
            hint=f'`host = "NAME"` in [models.{use.model}]',
        )
    elif use.lender in told:
        yield Diagnostic(
            "rpc.own-device",
            f"`{use.model}` is on `{use.lender}`, whose own device it has over RPC",
            key,
            hint=f"`{use.devices[0].partition('/')[2]}` is its name there",
        )


def _quoted(text: str) -> str:
    return f'"{text}"'
