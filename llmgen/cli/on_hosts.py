"""The same command on the hosts of one llm.toml, side by side over ssh, shown as one table."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, cast

import click
from click.core import ParameterSource

from llmgen.cli.boundary import HOST_VARIABLE, Session
from llmgen.cli.host_answers import HostAnswer, ShownRows, show
from llmgen.cli.outcome import Outcome
from llmgen.errors import Diagnostic, InputError, LlmgenError

if TYPE_CHECKING:
    from llmgen.cli.pipeline import Read
    from llmgen.fleet.fleet import Fleet
    from llmgen.remote.fleet import OfHost
    from llmgen.remote.host import Host

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_MINUTES: Final = 60
# What decides on which host, from which file and in which form; the rest is said there.
_SAID_HERE: Final = ("hosts", "config", "json")
# What the hosts' answers change in this machine's files, and what is said of it.
Record: TypeAlias = Callable[["Read", Sequence["OfHost[HostAnswer]"]], str]


def on_hosts(
    *shown: ShownRows,
    minutes: int = 15,
    here_only: Sequence[str] = (),
    plan_first: bool = False,
    of_model: str = "",
    record: Record | None = None,
) -> Callable[[Decorated], Decorated]:
    """Let a command run on the hosts of llm.toml, where it has some.

    ``here_only`` are options that name files of this machine or need its terminal. With
    ``plan_first`` nothing is done anywhere unless `--dry-run` is well on every host. Where the
    argument ``of_model`` names a model, only the hosts that have it are asked.
    """

    def wrap(function: Decorated) -> Decorated:
        @functools.wraps(function)
        def call(session: Session, **options: Any) -> Outcome:  # noqa: ANN401 - the command's own
            found = _fleet_read(session)
            if found is None:
                return cast("Outcome", function(session, **options))
            ctx = click.get_current_context()
            _refuse_here_only(ctx, session, here_only)
            words = [*command_words(ctx)]
            asked = _HostsCall(found, session, minutes * _MINUTES, shown)
            if of_model:
                asked.only_with(str(options[of_model]))
            return asked.done(words, plan_first, record)

        return cast("Decorated", call)

    return wrap


def command_words(ctx: click.Context) -> Iterator[str]:
    """The command as it was given, without what only this machine has to know."""
    yield from ctx.command_path.partition(" ")[2].split()
    arguments: list[str] = []
    for param in ctx.command.params:
        name, value = param.name or "", ctx.params.get(param.name or "")
        if name in _SAID_HERE or not _is_given(ctx, name):
            continue
        values = value if isinstance(value, tuple) else (value,)
        if isinstance(param, click.Option):
            yield from _option(param, values)
        else:
            arguments += map(str, values)
    if arguments:
        yield from ("--", *arguments)


def _option(param: click.Option, values: Sequence[object]) -> Iterator[str]:
    long = max(param.opts, key=len)
    for value in values:
        if not param.is_flag:
            yield f"{long}={value}"
        else:
            yield long if value else max(param.secondary_opts, key=len)


def _is_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _refuse_here_only(ctx: click.Context, session: Session, names: Sequence[str]) -> None:
    given = [
        max(param.opts, key=len)
        for param in ctx.command.params
        if param.name in names and _is_given(ctx, param.name)
    ]
    if session.templates:
        given.append("--templates")
    if given:
        raise click.UsageError(
            f"`{given[0]}` is for one machine, and llm.toml has several hosts; "
            "$LLMGEN_HOST says which of them this one is"
        )


def _fleet_read(session: Session) -> Read | None:
    """llm.toml, where the command is to run on hosts of it; None where it runs right here.

    $LLMGEN_HOST says which of the hosts this machine is: then nothing goes over ssh.
    """
    ctx = click.get_current_context()
    if ctx.get_parameter_source("hosts") is ParameterSource.ENVIRONMENT or "-" in session.config:
        return None
    from llmgen.cli.pipeline import peek

    try:
        found = peek(session)
    except LlmgenError:
        # The command says so itself.
        return None
    return found if found.config.hosts else None


def remote_host(name: str, found: Read) -> Host:
    """A host of llm.toml as ssh reaches it; one that only this machine reaches is this machine."""
    from llmgen.gateway.addresses import loopback
    from llmgen.remote.destination import destination
    from llmgen.remote.host import Host

    table = found.config.hosts[name]
    if table.ssh is None and loopback(table.address):
        return Host(name)
    key = "address" if table.ssh is None else "ssh"
    try:
        there = destination(table.ssh or table.address, table.ssh_port)
    except ValueError as error:
        told = Diagnostic(
            "remote.destination",
            f"`{name}` cannot be reached by `ssh`: its `{key}` is no destination",
            ("hosts", name, key),
            hint=str(error),
        )
        raise found.located(InputError(told)) from None
    own = table.paths if "llmgen" in table.paths.model_fields_set else found.config.paths
    return Host(name, there, own.llmgen)


class _HostsCall:
    """One command on the chosen hosts."""

    def __init__(
        self, found: Read, session: Session, seconds: float, shown: Sequence[ShownRows]
    ) -> None:
        from llmgen.cli.hosts import chosen, fleet_of
        from llmgen.cli.pipeline import read_lock

        self.found, self.session, self.seconds, self.shown = found, session, seconds, shown
        self.hosts = [remote_host(name, found) for name in chosen(found, session)]
        self.fleet: Fleet = fleet_of(found)
        self.lock = read_lock(found)

    def only_with(self, model: str) -> None:
        """Ask only those hosts that have a model; a usage error where none of them does."""
        tables = self.found.config.models
        named = (name for name, table in tables.items() if model in (name, *table.aliases))
        seats = self.fleet.seats.get(next(named, ""), ())
        self.hosts = [host for host in self.hosts if host.name in seats]
        if not self.hosts:
            where = f"it is on {', '.join(seats)}" if seats else "llm.toml has none of this name"
            raise click.UsageError(f"no host to ask about `{model}`: {where}")

    def done(self, words: Sequence[str], plan_first: bool, record: Record | None) -> Outcome:
        """Run it everywhere; where all have to agree first, a plan of all hosts comes first."""
        if plan_first and "--dry-run" not in words:
            # What starts nothing has nothing to wait for.
            still = [word for word in words[1:] if not word.startswith("--wait")]
            planned = self.each([words[0], "--dry-run", *still])
            if any(item.value is None or item.value.exit_code for item in planned):
                said = (
                    "nothing was changed on any host; `--host` names those that it can be done on"
                )
                return self.outcome(planned, words, said, done="planned")
        answers = self.each(words)
        said = record(self.found, answers) if record is not None else ""
        return self.outcome(answers, words, said)

    def each(self, words: Sequence[str]) -> tuple[OfHost[HostAnswer], ...]:
        """The command on every host."""
        from llmgen.cli.from_afar import VARIABLE
        from llmgen.cli.waiting import waiting
        from llmgen.fleet.bundle import bundle
        from llmgen.remote.connection import HostBounds, Stop
        from llmgen.remote.fleet import each
        from llmgen.remote.run import run

        bounds = HostBounds(seconds=self.seconds)
        # What it gets is an llm.toml without hosts, whatever its own files are.
        environment = {VARIABLE: "1", HOST_VARIABLE: ""}
        sent = ["-c", "llm.toml", *words[:1], "--json", *words[1:]]
        if words[0] == "models":
            sent = ["-c", "llm.toml", *words[:2], "--json", *words[2:]]

        def call(host: Host, stop: Stop) -> HostAnswer:
            artifacts = bundle(self.fleet.members[host.name], self.lock)
            files = {str(item.path): item.content for item in artifacts}
            ran = run(host, sent, files, environment=environment, bounds=bounds, stop=stop)
            return self.told(host.name, ran.document())

        with waiting(f"asking {len(self.hosts)} hosts"):
            return each(self.hosts, call)

    def told(self, name: str, document: Mapping[str, Any]) -> HostAnswer:
        """A host's answer, with places in the whole llm.toml."""
        import msgspec

        from llmgen.cli.far_hints import from_here
        from llmgen.cli.hosts import view_of
        from llmgen.remote.failures import garbage

        try:
            found = msgspec.convert(document, HostAnswer)
        except msgspec.ValidationError as error:
            host = next(host for host in self.hosts if host.name == name)
            raise InputError(garbage(host, str(error).encode())) from None
        own = [
            msgspec.structs.replace(item, location=None, hint=from_here(item.hint, name))
            for item in found.diagnostics
        ]
        view = view_of(self.found, self.fleet.members[name])
        return msgspec.structs.replace(found, diagnostics=view.placed(own))

    def outcome(
        self,
        answers: Sequence[OfHost[HostAnswer]],
        words: Sequence[str],
        said: str = "",
        done: str = "done",
    ) -> Outcome:
        """All answers as one: the worst exit code of all, what each host says with its name."""
        import msgspec

        from llmgen.fleet.sleeping_hosts import may_sleep

        codes = [item.value.exit_code if item.value else item.exit_code for item in answers]
        told = [
            may_sleep(found, self.found.config)
            for item in answers
            for found in (
                item.value.diagnostics if item.value else self.found.placed(item.diagnostics)
            )
        ]
        data = {
            item.host.name: {
                "exit_code": code,
                "data": item.value.data if item.value else None,
            }
            for item, code in zip(answers, codes, strict=True)
        }
        shown = [
            msgspec.structs.replace(item, usual=None) if "--all" in words else item
            for item in self.shown
        ]
        return Outcome(
            {"hosts": data},
            text=functools.partial(show, shown, answers, codes, done),
            said=said,
            diagnostics=tuple(told),
            exit_code=max(codes, default=0),
        )
