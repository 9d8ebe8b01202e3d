"""``llmgen measure``: start a model, ask it once, and record what its processes held."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import LOCK, Read, plan, read, read_lock
from llmgen.errors import Diagnostic, InputError

if TYPE_CHECKING:
    from llmgen.cli.host_answers import HostAnswer
    from llmgen.facts.lock_model import Run
    from llmgen.measuring.run import MeasuredPeak, Subject
    from llmgen.plan.plan import Placement, Plan
    from llmgen.remote.fleet import OfHost
    from llmgen.remote.host import Host


@command(short_help="measure what a model's server holds")
@click.argument("model", metavar="MODEL")
@click.option("--seconds", type=click.IntRange(1), help="How long its start may take.")
@on_hosts(
    ShownRows("devices", ("model", "device", "computed", "measured")),
    minutes=60,
    of_model="model",
    record=lambda found, answers: _recorded(found, answers),  # noqa: PLW0108 - it stands below
)
def cli(session: Session, model: str, seconds: int | None) -> Outcome:
    """Start a model's own server on a free loopback port, ask it once, wait until it is idle.

    Peak memory of all its processes, on the host and on each device, goes into llm.lock with the
    date and the program's version. The server is gone afterwards, whatever ends this command. It
    runs beside what runs already: unload that first where memory is short.
    """
    from llmgen.facts.lock import write_lock
    from llmgen.measuring.run import measure
    from llmgen.plan.comparison import devices
    from llmgen.plan.start_command import command_digest

    found = read(session)
    lock = read_lock(found)
    placed = plan(_alone(found, model))
    item = _one(placed, model)
    _refuse_container(item)
    subject = _subject(placed, item, seconds)
    seen = measure(subject, lambda line: click.echo(line, err=True))
    run = _run(seen, subject.words[0], command_digest(item, placed.library))
    write_lock(found.folder / LOCK, replace(lock, runs={**lock.runs, item.name: run}))
    rows = list(devices(item, run, placed.library))
    return Outcome(
        {"model": item.name, "devices": rows, "seen": seen, "run": run},
        text=lambda: click.echo("\n".join(row.line() for row in rows)),
        said=f"`{item.name}` is recorded in `{LOCK}`",
        diagnostics=tuple(_notes(item, seen)),
    )


def _recorded(found: Read, answers: Sequence[OfHost[HostAnswer]]) -> str:
    """Write what was measured on the hosts into llm.lock; of several the first in llm.toml."""
    from llmgen.facts.lock import write_lock

    lock = read_lock(found)
    runs = {
        name: run
        for answer in reversed(answers)
        if answer.value is not None and answer.value.exit_code == 0
        for name, run in [_run_of(answer.host, answer.value.data)]
    }
    if not runs:
        return ""
    write_lock(found.folder / LOCK, replace(lock, runs={**lock.runs, **runs}))
    return "".join(f"`{name}` is recorded in `{LOCK}`" for name in runs)


def _run_of(host: Host, data: Any) -> tuple[str, Run]:  # noqa: ANN401 - from another machine
    """The model and its run; InputError for what would make llm.lock one that nobody reads."""
    import msgspec

    from llmgen.facts.lock_model import Lock, Run
    from llmgen.facts.lock_parse import parse_lock
    from llmgen.facts.lock_render import render_lock
    from llmgen.remote.failures import garbage

    try:
        name, run = str(data["model"]), msgspec.convert(data["run"], Run)
        parse_lock(render_lock(Lock(runs={name: run})), LOCK)
    except (InputError, msgspec.ValidationError, LookupError, TypeError):
        raise InputError(garbage(host, repr(data).encode())) from None
    return name, run


def _alone(found: Read, name: str) -> Read:
    """A model whose memory nobody states is planned alone; llama-server's among all others.

    What its open values come to depends on them.
    """
    from llmgen.engines.registry import ENGINES

    tables = found.config.models
    own = next((key for key, table in tables.items() if name in (key, *table.aliases)), None)
    if own is None or ENGINES[tables[own].engine].is_llama:
        return found
    free = {"fallbacks": (), "context_window_fallbacks": (), "replicas": (), "default": False}
    models = {
        key: table.model_copy(update={**free, "enable": table.enable and key == own})
        for key, table in tables.items()
    }
    return replace(found, config=found.config.model_copy(update={"models": models}))


def _one(placed: Plan, name: str) -> Placement:
    for item in placed.placements:
        if name in item.model.names:
            return item
    raise click.UsageError(f"no model is called `{name}`")


def _refuse_container(item: Placement) -> None:
    """Its processes are the runtime's children, not ours: they would be neither seen nor ended."""
    if item.model.container is not None:
        raise InputError(
            Diagnostic(
                "measure.container",
                f"`{item.name}` runs in a container, whose processes are its runtime's",
                ("models", item.name, "container"),
                hint="measure the program itself, or say what `memory` it takes",
            )
        )


def _subject(placed: Plan, item: Placement, seconds: int | None) -> Subject:
    from llmgen.measuring.asking import asked
    from llmgen.measuring.own_server import free_port
    from llmgen.measuring.run import Subject
    from llmgen.plan.start_command import start

    port = free_port()
    how = start(item, placed.library, port)
    return Subject(
        name=item.name,
        words=how.words,
        environment=_environment(placed, item),
        port=port,
        health=how.health,
        ask=asked(item.model.role, how.upstream or item.name),
        start_seconds=seconds or max(how.start_seconds, 120),
    )


def _environment(placed: Plan, item: Placement) -> dict[str, str]:
    """The model's variables; a secret that this user cannot read is refused."""
    from llmgen.operate.engines.server import secret

    found = {}
    for name, value in item.model.environment.items():
        told = value if isinstance(value, str) else secret(value, placed.library.config)
        found[name] = told or os.environ.get(name, "")
        if not isinstance(value, str) and not found[name]:
            raise InputError(
                Diagnostic(
                    "operate.no-secret",
                    f"`{item.name}` needs the secret `{name}`, and it is not there",
                    ("models", item.name, "environment", name),
                    hint="set the environment variable, or make the file readable",
                )
            )
    return found


def _run(seen: MeasuredPeak, program: str, digest: str) -> Run:
    from llmgen.facts.lock_model import Run
    from llmgen.measuring.device_use import device_names
    from llmgen.measuring.version import version_of

    names = device_names()
    return Run(
        settings=digest,
        date=datetime.now(tz=UTC).date().isoformat(),
        program=version_of(program),
        peak=seen.peak,
        devices={key: names[key] for key in seen.peak if key in names},
    )


def _notes(item: Placement, seen: MeasuredPeak) -> Iterator[Diagnostic]:
    from llmgen.errors import Severity

    if not seen.answered:
        yield Diagnostic(
            "measure.not-asked",
            f"nothing is known to ask a model of the role {item.model.role}: "
            "this is what it holds before the first request",
            hint="send one while it is measured again, or state `memory` in llm.toml",
            severity=Severity.WARNING,
        )
    if not seen.idle:
        yield Diagnostic(
            "measure.not-idle",
            f"`{item.name}` was still busy when the measurement ended",
            hint="measure it again while the machine has less to do",
            severity=Severity.WARNING,
        )
