"""The same command about a cluster: routed where llm.toml has [kubernetes]."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

import click
from click.core import ParameterSource

from llmgen.cli.boundary import Session
from llmgen.cli.outcome import Outcome
from llmgen.errors import InputError, LlmgenError

if TYPE_CHECKING:
    from llmgen.cli.pipeline import Read
    from llmgen.operate.kubectl.place import Place
    from llmgen.operate.kubectl.reach import Reach

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Option: TypeAlias = Callable[[Any], Any]
FORCE_CONFLICTS: Final = click.option(
    "--force-conflicts",
    is_flag=True,
    help="With [kubernetes]: take over fields that another field manager has set.",
)
DELETE_MODELS: Final = click.option(
    "--delete-models",
    is_flag=True,
    help="With [kubernetes]: delete the claims with the model files, too.",
)
CONTEXT: Final = "With [kubernetes]: kubectl's context; absent: the one of llm.toml."
# What every command has, or what says itself what is wrong with it.
_USUAL: Final = ("config", "json", "hosts", "context")


def on_cluster(
    instead: str, *, takes: Collection[str] = (), adds: Mapping[str, Option] | None = None
) -> Callable[[Decorated], Decorated]:
    """Let a command be about a cluster, where llm.toml has one.

    ``instead`` (`module:function`) is then called, with the options ``takes`` of the command and
    those that it ``adds``, which are for a cluster alone.
    """
    added = adds or {}

    def wrap(function: Decorated) -> Decorated:
        @functools.wraps(function)
        def call(session: Session, *, context: str | None, **options: Any) -> Outcome:  # noqa: ANN401 - the command's own
            ctx = click.get_current_context()
            found = _cluster_read(session)
            if found is None:
                _refuse(ctx, ("context", *added), _OF_CLUSTERS)
                usual = {key: value for key, value in options.items() if key not in added}
                return cast("Outcome", function(session, **usual))
            others = {*options} - {*takes, *added}
            _refuse(ctx, others, _OF_MACHINES)
            module, _, name = instead.partition(":")
            run = getattr(importlib.import_module(module), name)
            kept = {key: options[key] for key in (*takes, *added)}
            return cast("Outcome", run(session, found, context, **kept))

        made: Any = call
        for option in added.values():
            made = option(made)
        return cast("Decorated", click.option("--context", metavar="NAME", help=CONTEXT)(made))

    return wrap


_OF_CLUSTERS: Final = "`{}` is for a cluster, and llm.toml has no [kubernetes]"
_OF_MACHINES: Final = "`{}` is for machines, and this llm.toml is about a cluster"


def _cluster_read(session: Session) -> Read | None:
    """llm.toml where it is about a cluster; else None, and the command reads it itself."""
    from llmgen.cli.hosts import chosen
    from llmgen.cli.pipeline import peek

    try:
        found = peek(session)
    except LlmgenError:
        # The command says so itself.
        return None
    if found.config.kubernetes is None:
        return None
    if not found.config.hosts:
        chosen(found, session)
    return found


def _refuse(ctx: click.Context, names: Collection[str], told: str) -> None:
    """A usage error for options that mean nothing there."""
    for given in _given(ctx, names):
        raise click.UsageError(told.format(given))


def _given(ctx: click.Context, names: Collection[str]) -> Iterator[str]:
    for param in ctx.command.params:
        name = param.name or ""
        if name in names and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            is_option = isinstance(param, click.Option)
            yield max(param.opts, key=len) if is_option else name.upper()


def reach_of(found: Read, context: str | None) -> Reach:
    """The cluster that is named; InputError where nobody names one."""
    from llmgen.operate.kubectl.place import untold
    from llmgen.operate.kubectl.reach import Reach, contexts

    place = place_of(found, context)
    if place is None:
        raise found.located(InputError(untold(contexts())))
    return Reach(place)


def place_of(found: Read, context: str | None) -> Place | None:
    """Context and namespace; None where nobody names a context."""
    from llmgen.operate.kubectl.place import place_of

    if found.config.kubernetes is None:
        raise ValueError("llm.toml has no [kubernetes]")
    return place_of(found.config.kubernetes, context)
