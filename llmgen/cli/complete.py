"""What a shell offers after `llmgen COMMAND`: models, targets, profiles, files; never an error."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType

CONFIG: Final = "llm.toml"


class Offered(StringParamType):
    """Text, with what the shell offers for it."""

    def __init__(self, offer: Callable[[click.Context], Iterable[str]]) -> None:
        """Offer what ``offer`` finds for the command line so far."""
        self.offer = offer

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002 - click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        """The offers that begin with what is there."""
        return [CompletionItem(item) for item in self.offer(ctx) if item.startswith(incomplete)]


class FileNames(StringParamType):
    """Text, with the shell's own completion of file names."""

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        param: click.Parameter,  # noqa: ARG002 - click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        """Leave it to the shell."""
        return [CompletionItem(incomplete, type="file")]


def models(ctx: click.Context) -> list[str]:
    """Names in [models]; nothing where llm.toml cannot be read."""
    found: list[str] = []
    for name in _sources(ctx):
        try:
            tables = tomllib.loads(Path(name).read_text("utf-8")).get("models")
        except (OSError, ValueError, RecursionError):
            continue
        found += tables if isinstance(tables, dict) else []
    return list(dict.fromkeys(found))


def _sources(ctx: click.Context) -> tuple[str, ...]:
    at: click.Context | None = ctx
    while at is not None:
        if at.params.get("config"):
            return tuple(at.params["config"])
        at = at.parent
    return (os.environ.get("LLMGEN_CONFIG") or CONFIG,)


def targets(ctx: click.Context) -> list[str]:
    """Names of all targets."""
    from llmgen.targets import TARGETS

    del ctx
    return list(TARGETS)


def profiles(ctx: click.Context) -> list[str]:
    """Names of the built-in machines."""
    from llmgen.profiles import profiles as known

    del ctx
    return list(known())


def pages(ctx: click.Context) -> list[str]:
    """Pages that programs of a stack may have."""
    from llmgen.operate.status.pages import FRONTS

    return [*FRONTS, "report", *models(ctx)]


# Parameter (of a command, or of all of them): what is offered for it.
OFFERS: Final[dict[str, Offered | FileNames]] = {
    "targets": Offered(targets),
    "profile": Offered(profiles),
    "model": Offered(models),
    "models": Offered(models),
    "load.names": Offered(models),
    "open.names": Offered(pages),
    "unload.names": Offered(models),
    "models rm.names": Offered(models),
    "inspect.models": FileNames(),
    "fit.models": FileNames(),
    "files": FileNames(),
    "config": FileNames(),
    "output": FileNames(),
}


def offer(command: click.Command, path: str) -> None:
    """Give the parameters of a command their offers; nothing else about them changes."""
    for param in command.params:
        found: Any = OFFERS.get(f"{path}.{param.name}") or OFFERS.get(param.name or "")
        if found is not None and type(param.type) is type(click.STRING):
            param.type = found
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            offer(inner, f"{path} {name}")
