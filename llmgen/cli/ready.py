"""``--wait``: what starts services comes back when they answer, or says which do not and why."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from llmgen.cli.asking import asking
from llmgen.cli.boundary import INTERRUPTED
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import plan
from llmgen.cli.waiting import waiting
from llmgen.errors import InputError

if TYPE_CHECKING:
    from llmgen.cli.pipeline import Read
    from llmgen.operate.status.asking import Asking
    from llmgen.operate.status.ready import Lack
    from llmgen.operate.status.rows import ExpectedService
    from llmgen.plan.plan import Plan

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
STAYS = "no longer waiting; the stack goes on, and `llmgen status` tells who answers"
NO_WAIT: Final = "`--wait-timeout` says how long `--wait` waits"


def wait_options(function: Decorated) -> Decorated:
    """``--wait`` and ``--wait-timeout``, given as one ``wait``: seconds, 0 as planned, or None."""

    @functools.wraps(function)
    def call(*given: Any, wait: bool | None, wait_timeout: int | None, **options: Any) -> Outcome:  # noqa: ANN401
        if wait_timeout is not None and not wait:
            raise click.UsageError(NO_WAIT)
        outcome: Outcome = function(*given, wait=(wait_timeout or 0) if wait else None, **options)
        return outcome

    for option in (
        click.option(
            "--wait-timeout",
            type=click.IntRange(min=1),
            metavar="SECONDS",
            help="With --wait: how long; as long as loading may take by the plan.",
        ),
        click.option(
            "--wait/--no-wait",
            default=None,
            help="Come back when every service answers; usual with [kubernetes].",
        ),
    ):
        call = option(call)
    return cast("Decorated", call)


def answering(
    found: Read, done: Outcome, seconds: int, units: Collection[str] | None = None
) -> Outcome:
    """Wait for the services of these units, or for all; 0 seconds: as long as the plan allows."""
    from msgspec.structs import replace

    from llmgen.operate.managers.by_cron import is_by_cron, is_running
    from llmgen.operate.status.ready import not_ready, ready_seconds
    from llmgen.operate.status.stack import expected

    placed, who = plan(found), asking(found)
    wanted = [item for item in expected(placed, who.site) if units is None or item.unit in units]
    by_cron = is_by_cron(who.site)
    if by_cron:
        wanted = [replace(item, unit="") for item in wanted]
    if not wanted:
        return done
    limit = seconds or ready_seconds(placed, wanted)
    data = done.data if isinstance(done.data, dict) else {}
    try:
        lacks = _wait(placed, who, wanted, limit, is_running if by_cron else lambda: True)
    except KeyboardInterrupt:
        data = {**data, "ready": False}
        return replace(done, data=data, said=f"{done.said}\n{STAYS}", exit_code=INTERRUPTED)
    told = tuple(not_ready(lacks, limit, by_cron=by_cron))
    answer = [item.service.name for item in wanted]
    return replace(
        done,
        data={**data, "ready": not lacks},
        said=done.said if lacks else f"{done.said}\nready: {', '.join(answer)}",
        diagnostics=(*done.diagnostics, *told),
        exit_code=InputError.exit_code if lacks else done.exit_code,
    )


def _wait(
    placed: Plan,
    who: Asking,
    wanted: Sequence[ExpectedService],
    limit: int,
    alive: Callable[[], bool],
) -> list[Lack]:
    from llmgen.operate.status.ready import Clock, until_ready
    from llmgen.operate.status.stack import as_run, observe_answers

    run, begun = as_run(placed, who.site), time.monotonic()

    def line(lacks: Sequence[Lack]) -> str:
        listed = ", ".join(f"{item.service} ({item.why})" for item in lacks)
        return f"waiting, {time.monotonic() - begun:.0f} of at most {limit} s: {listed}; ^C stops"

    with waiting(f"waiting for {len(wanted)} services to answer") as tell:
        return until_ready(
            lambda: observe_answers(run, who, wanted),
            wanted,
            limit,
            lambda lacks: tell(line(lacks)),
            clock=Clock(time.monotonic, time.sleep),
            alive=alive,
        )
