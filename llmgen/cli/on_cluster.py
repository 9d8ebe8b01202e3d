"""The same command about a cluster: routed where llm.toml has [kubernetes]."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

import click
from click.core import ParameterSource

from llmgen.cli.boundary import Session
from llmgen.cli.outcome import Outcome
from llmgen.errors import InputError, LlmgenError

if TYPE_CHECKING:
    from llmgen.cli.pipeline import Read
    from llmgen.errors import Diagnostic
    from llmgen.operate.kubectl.place import ClusterPlace
    from llmgen.operate.kubectl.reach import Reach
    from llmgen.targets.kubernetes.names import Object
    from llmgen.targets.kubernetes.scene import ClusterScene

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
ClickOption: TypeAlias = Callable[[Any], Any]
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
WAIT: Final = click.option(
    "--wait/--no-wait",
    default=None,
    help="With [kubernetes]: come back when all pods are ready, which is usual, or at once.",
)
WAIT_TIMEOUT: Final = click.option(
    "--wait-timeout",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="With [kubernetes]: how long; as long as pods may take by the plan.",
)
ENVIRONMENT: Final = "With [kubernetes]: one of its environments."
CONTEXT: Final = "With [kubernetes]: kubectl's context; absent: the one of llm.toml."
# What every command has, or what says itself what is wrong with it.
_USUAL: Final = ("config", "json", "hosts", "context")


def on_cluster(
    instead: str, *, takes: Collection[str] = (), adds: Mapping[str, ClickOption] | None = None
) -> Callable[[Decorated], Decorated]:
    """Let a command be about a cluster, where llm.toml has one.

    ``instead`` (`module:function`) is then called, with the options ``takes`` of the command and
    those that it ``adds``, which are for a cluster alone.
    """
    added = adds or {}

    def wrap(function: Decorated) -> Decorated:
        @functools.wraps(function)
        def call(
            session: Session,
            *,
            context: str | None,
            environment: str | None,
            **options: Any,  # noqa: ANN401 - the command's own
        ) -> Outcome:
            ctx = click.get_current_context()
            found = _cluster_read(session)
            if found is None:
                _refuse(ctx, ("context", "environment", *added), _OF_CLUSTERS)
                usual = {key: value for key, value in options.items() if key not in added}
                return cast("Outcome", function(session, **usual))
            others = {*options} - {*takes, *added}
            refuse_of_machines(others)
            module, _, name = instead.partition(":")
            run = getattr(importlib.import_module(module), name)
            kept = {key: options[key] for key in (*takes, *added)}
            asked = ClusterChoice(found, context, environment)
            return cast("Outcome", run(session, asked, **kept))

        made: Any = call
        for option in added.values():
            made = option(made)
        for name, told in (("--environment", ENVIRONMENT), ("--context", CONTEXT)):
            made = click.option(name, metavar="NAME", help=told)(made)
        return cast("Decorated", made)

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


def refuse_of_machines(names: Collection[str]) -> None:
    """A usage error for options of the command that mean nothing of a cluster."""
    _refuse(click.get_current_context(), names, _OF_MACHINES)


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


class ClusterChoice:
    """What a command is about: llm.toml, which cluster, which of its environments."""

    def __init__(self, found: Read, context: str | None, environment: str | None) -> None:
        """A usage error for an environment that llm.toml does not have, and for no context."""
        # For an empty one kubectl would take the current one.
        if context == "":
            raise click.UsageError("`--context` is the name of a context, and it is empty")
        table = found.config.kubernetes
        if table is None:
            raise ValueError("llm.toml has no [kubernetes]")
        self.found, self.table, self.environment = found, table, environment
        self._context = context
        if environment is not None and environment not in table.environments:
            from difflib import get_close_matches

            known = [*table.environments]
            near = get_close_matches(environment, known, 1)
            some = f"environments are {', '.join(known)}" if known else "there is none"
            hint = f"did you mean `{near[0]}`?" if near else some
            raise click.UsageError(f"no environment `{environment}`; {hint}")

    def place(self) -> ClusterPlace | None:
        """Context and namespace; None where nobody names a context."""
        from llmgen.operate.kubectl.place import place_of

        return place_of(self.table, self._context, self.environment)

    def reach(self) -> Reach:
        """The cluster that is named; InputError where nobody names one."""
        from llmgen.operate.kubectl.place import untold
        from llmgen.operate.kubectl.reach import Reach, contexts

        place = self.place()
        if place is None:
            raise self.found.located(InputError(untold(contexts())))
        return Reach(place)

    def scene(self, session: Session) -> tuple[ClusterScene, tuple[Diagnostic, ...]]:
        """Every program of the cluster, and what is doubtful; PlanError for what has no node."""
        from llmgen.cli.clusters import cluster_of, proved
        from llmgen.targets.kubernetes.environment import environment

        made, notes = proved(self.found, cluster_of(self.found, session), session)
        if self.environment is None:
            return made, notes
        with self.located():
            return environment(made, self.environment), notes

    def objects(self, made: ClusterScene) -> tuple[Object, ...]:
        """The objects in the order in which the cluster takes them."""
        from llmgen.targets.kubernetes.base import grouped
        from llmgen.targets.kubernetes.environment import objects

        with self.located():
            if self.environment is None:
                groups = grouped(made)
            else:
                groups = objects(made, self.table.environments[self.environment])
        return tuple(item for name in sorted(groups) for item in groups[name])

    @contextmanager
    def located(self) -> Iterator[None]:
        """Errors get their places in llm.toml."""
        try:
            yield
        except LlmgenError as error:
            raise self.found.located(error) from None
