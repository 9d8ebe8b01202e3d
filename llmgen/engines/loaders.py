"""Who loads models when they are asked for: one row for each program, and what it can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from llmgen.config.tables.services import RouterService, Services, SwapService

LoaderName: TypeAlias = Literal["llama_swap", "router", "none"]


class Loader(Struct, frozen=True):
    """One choice of ``on_demand`` in [services].

    ``name`` is its own table's there, too; ``title``, ``heading``, ``sentence`` and ``described``
    are what people call it by itself, at the head of a page, within a sentence, and where they may
    not know it. ``service`` is its service, ``program`` the key of [paths] that it runs.
    """

    name: LoaderName
    title: str
    heading: str
    sentence: str
    described: str
    service: str = ""
    program: str = ""
    loads: bool = True
    """Anything at all."""
    starts_any: bool = False
    """The programs of all engines, not llama-server alone; they get ports of its own."""
    knows_others: bool = False
    """It leads to always-on models and to models of other servers, as peers."""
    hears_models: bool = False
    """It goes by a model's variants, `ttl`, `concurrency_limit` and `preload`."""
    has_hook: bool = False
    """It can wait for something before a request: a machine that is woken."""
    keeps_logs: bool = False
    """Of each model that it runs."""
    drains: bool = False
    """It is emptied before its file changes, since it reads that again at once."""
    counts_models: bool = False
    """It keeps a number of models at most, whichever they are."""


LLAMA_SWAP: Final = Loader(
    "llama_swap", "llama-swap", "llama-swap", "llama-swap", "llama-swap", "swap", "llama_swap",
    starts_any=True, knows_others=True, hears_models=True, has_hook=True, keeps_logs=True,
    drains=True,
)  # fmt: skip
ROUTER: Final = Loader(
    "router", "router", "Router", "the router", "llama-server (router mode)", "router",
    "llama_server", counts_models=True,
)  # fmt: skip
NONE: Final = Loader("none", "nobody", "nobody", "nobody", "nobody", loads=False)
LOADERS: Final = {row.name: row for row in (LLAMA_SWAP, ROUTER, NONE)}


def loader_of(services: Services) -> Loader:
    """The row that llm.toml asks for."""
    return LOADERS[services.on_demand]


def table_of(services: Services) -> SwapService | RouterService | None:
    """The loader's own table; None where there is none."""
    row = loader_of(services)
    found: SwapService | RouterService | None = getattr(services, row.name) if row.loads else None
    return found
