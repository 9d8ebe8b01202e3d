"""``llmgen top``: the running stack, live in the terminal."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from llmgen.cli.asking import asking, refuse_other_engine
from llmgen.cli.boundary import INTERRUPTED, Session, command, discard_output
from llmgen.cli.outcome import ENVELOPE, Outcome, plain
from llmgen.cli.pipeline import Read, known_plan, read, unknown_models
from llmgen.cli.printable import json_text

if TYPE_CHECKING:
    from rich.console import Console

    from llmgen.plan.plan import Plan
    from llmgen.top.actions import Acting
    from llmgen.top.collect import Collector
    from llmgen.top.moment import Moment

INTERVAL_SECONDS = 2.0
# Where no terminal says how much room there is, there is enough.
_HIGH = 10_000


@command(short_help="the running stack, live")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.2, max=3600),
    default=INTERVAL_SECONDS,
    metavar="SECONDS",
    help="Between two looks; 2.",
)
@click.option(
    "-n", "--count", type=click.IntRange(min=1), help="How many frames or lines; then it ends."
)
def cli(session: Session, *, interval: float, count: int | None) -> Outcome:
    """Watch memory pools, models and services of the running stack, and what is not as planned.

    Up and down choose a model, `l` loads it, `u` unloads it, `o` shows its log, `q` quits.

    `stack` is what its processes hold, without files that they map; `all` what every program does.
    `tok/s` is what a model generates now, in parentheses what its last request got; `queue` are
    requests that wait, `ttl` is the time after which it goes if nobody asks.

    Without a terminal it prints one frame. With --json it prints a line of JSON for each look,
    until ^C or for --count looks.
    """
    found = read(session)
    placed = known_plan(found)
    collector = _collector(session, found, placed)
    try:
        if session.json:
            # Each line is a document, so that none is left for the end.
            session.json = False
            return _stream(collector, interval, count)
        if count is not None or not _is_terminal():
            return _frames(collector, interval, count or 1)
        return _live(found, placed, collector, interval)
    finally:
        collector.close()


def _collector(session: Session, found: Read, placed: Plan) -> Collector:
    from llmgen.cli.status import compared, rendered
    from llmgen.top.collect import Collector

    who, unknown = asking(found), unknown_models(found, placed)
    files = rendered(session, found, placed)
    return Collector(placed, who, lambda: compared(files, who, unknown))


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def _stream(collector: Collector, interval: float, count: int | None) -> Outcome:
    return _repeat(collector, interval, count, lambda moment: click.echo(_line(moment)))


def _frames(collector: Collector, interval: float, count: int) -> Outcome:
    from llmgen.cli.drawing import echo, width
    from llmgen.top.frame import Selection, frame

    def show(moment: Moment) -> None:
        echo(*frame(moment, Selection(), width(), _HIGH))

    return _repeat(collector, interval, count, show)


def _repeat(
    collector: Collector, interval: float, count: int | None, show: Callable[[Moment], None]
) -> Outcome:
    """Look and show, ``count`` times or until ^C; a rate needs two looks, so one frame has two."""
    shown = 0
    try:
        if count == 1:
            collector.look()
            time.sleep(min(interval, 1.0))
        while True:
            show(collector.look())
            sys.stdout.flush()
            shown += 1
            if shown == count:
                return Outcome()
            time.sleep(interval)
    except BrokenPipeError:
        discard_output()
        return Outcome()
    except KeyboardInterrupt:
        return Outcome(exit_code=INTERRUPTED)


def _line(moment: Moment) -> str:
    """A look as one line of JSON, in the envelope of every command."""
    rows = [
        {**plain(item.row), **{name: value for name, value in plain(item).items() if name != "row"}}
        for item in moment.models
    ]
    data = {**plain(moment), "models": rows, "tokens_per_second": moment.tokens_per_second}
    found = data.pop("findings")
    document = {
        "llmgen": ENVELOPE,
        "command": "top",
        "status": "ok",
        "exit_code": 0,
        "data": data,
        "diagnostics": found,
    }
    return json_text(json.dumps(document, sort_keys=True, ensure_ascii=False))


def _live(found: Read, placed: Plan, collector: Collector, interval: float) -> Outcome:
    from llmgen.top.watch import Watching

    keys = sys.stdin.fileno() if sys.stdin.isatty() else None
    watching = Watching(collector, _acting(found, placed), keys=keys)
    code = watching.run(_console(), sys.stdout.fileno(), interval)
    return Outcome(exit_code=code)


def _console() -> Console:
    from rich.console import Console

    from llmgen.cli.drawing import coloured

    return Console(
        file=sys.stdout,
        force_terminal=True,
        force_interactive=True,
        color_system="standard" if coloured() else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def _acting(found: Read, placed: Plan) -> Acting:
    from llmgen.cli.logs import service_lines
    from llmgen.config.names import service_name
    from llmgen.engines.loaders import loader_of
    from llmgen.operate.installation.logs import of_model
    from llmgen.top.actions import Acting

    def model_log(name: str, lines: int) -> list[str]:
        if not loader_of(found.config.services).keeps_logs:
            return service_lines(found, ("router",), lines)
        refuse_other_engine(found)
        return of_model(found.config, name, lines).splitlines()

    return Acting(
        placed,
        lambda: refuse_other_engine(found),
        lambda name, lines: service_lines(found, (service_name(name),), lines),
        model_log,
    )
