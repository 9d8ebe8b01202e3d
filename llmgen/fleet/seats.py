"""Which hosts may have each model, as llm.toml says it; mistakes with their places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from llmgen.config.config import Config
from llmgen.config.tables.hosts import AUTO
from llmgen.config.tables.models import ModelTable
from llmgen.errors import Diagnostic


class Wish(Struct, frozen=True):
    """What llm.toml says of one model: ``hosts`` that may have it, and how many of them do.

    Where ``open`` is false there is nothing to choose: all of them have it, in this order.
    """

    name: str
    hosts: tuple[str, ...]
    copies: int = 1
    open: bool = False


def wishes(config: Config) -> Mapping[str, Wish]:
    """The enabled models in the file's order."""
    every = tuple(config.hosts)
    return {
        name: _wish(name, table, every) for name, table in config.models.items() if table.enable
    }


def _wish(name: str, table: ModelTable, every: tuple[str, ...]) -> Wish:
    if table.host is None or table.host == AUTO:
        return Wish(name, every, table.hosts, open=len(every) > table.hosts)
    told = (table.host,) if isinstance(table.host, str) else table.host
    return Wish(name, tuple(dict.fromkeys(told)), len(told))


def fixed(found: Mapping[str, Wish]) -> dict[str, tuple[str, ...]]:
    """The seats that nobody has to choose."""
    return {name: wish.hosts for name, wish in found.items() if not wish.open}


def findings(config: Config) -> Iterator[Diagnostic]:
    """Models on hosts that are none, and counts that cannot be."""
    for name, table in config.models.items():
        yield from _of_model(name, table, config)


def _of_model(name: str, table: ModelTable, config: Config) -> Iterator[Diagnostic]:
    key = ("models", name, "host")
    told = (table.host,) if isinstance(table.host, str) else table.host or ()
    for at, host in enumerate(told):
        if host not in config.hosts and told != (AUTO,):
            yield Diagnostic(
                "hosts.unknown",
                f"`{name}` is on host `{host}`, and there is none of this name",
                key if isinstance(table.host, str) else (*key, at),
                hint=near(host, config.hosts, f"hosts are {', '.join(config.hosts)}"),
            )
    if table.hosts > 1 and told and told != (AUTO,):
        yield Diagnostic(
            "hosts.told-twice",
            f"`host` says where `{name}` is, and `hosts` on how many machines",
            ("models", name, "hosts"),
            hint='leave `hosts` out, or `host = "auto"`',
        )
    if table.hosts > len(config.hosts):
        yield Diagnostic(
            "hosts.too-many",
            f"`{name}` wants {table.hosts} hosts, and there are {len(config.hosts)}",
            ("models", name, "hosts"),
            hint=f"`hosts = {len(config.hosts)}` at most",
        )


def near(name: str, known: Mapping[str, object], otherwise: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only for mistakes

    near = get_close_matches(name, sorted(known), 1)
    return f"did you mean `{near[0]}`?" if near else otherwise
