"""``llmgen guard``: unload idle models when memory runs short; the timer's one-shot check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from llmgen.cli.asking import refuse_other_engine
from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import Read, known_plan, plan, read
from llmgen.errors import Diagnostic, Severity


@command(short_help="unload idle models when memory runs short")
@click.option("--dry-run", is_flag=True, help="Say what would be unloaded; unload nothing.")
@click.option("--gate", metavar="MODEL", help="May MODEL start now? Exit 1 when others hold it.")
def cli(session: Session, gate: str | None, *, dry_run: bool) -> Outcome:
    """Look once at memory; while it is short, unload the model that has been idle longest.

    Pinned models, busy ones and those idle for less than `min_idle` of [guard] stay. The plan is
    what keeps memory free; this is for what the plan cannot know.
    """
    from llmgen.layout import layout
    from llmgen.operate.guard.once import check
    from llmgen.targets.accounts import state_folder

    found = read(session)
    if gate is not None:
        return _gate(session, gate)
    refuse_other_engine(found)
    # The timer's user writes there.
    services = found.config.services
    state = state_folder(services, layout(found.config.paths, services.scope), "guard")
    done = check(found.config, Path(state), dry_run=dry_run)
    lines = [f"{item.source}: {item.detail}" for item in done.readings]
    stays = [
        f"{item.model}: {'may go' if item.may_go else 'stays'}, {item.why}"
        for item in done.verdicts
    ]
    said = _said(done.is_short, done.unloaded, done.would_unload)
    data = {
        "short": done.is_short,
        "readings": done.readings,
        "models": done.verdicts,
        "unloaded": done.unloaded,
        "would_unload": done.would_unload,
    }
    text = "".join(f"{line}\n" for line in (*lines, *stays))
    proposed = tuple(_proposed(found)) if done.is_short else ()
    return Outcome(data, text=text, said=said, diagnostics=proposed)


def _proposed(found: Read) -> Iterator[Diagnostic]:
    """What llm.toml could say where less memory is left than was planned."""
    from llmgen.cli.proposal import proposals, short_pools

    placed = known_plan(found)
    for short, hint in proposals(placed, short_pools(found, placed)):
        yield Diagnostic(
            "guard.less-than-planned",
            f"expected {short.expected}; there are {short.observed}",
            hint=hint,
            severity=Severity.WARNING,
        )


def _said(is_short: bool, unloaded: tuple[str, ...], would: str | None) -> str:
    if unloaded:
        state = "still short" if is_short else "no longer short"
        return f"unloaded {', '.join(unloaded)}; memory is {state}"
    if would:
        return f"would unload {would}"
    return "memory is short, and no model may go" if is_short else "memory is not short"


def _gate(session: Session, name: str) -> Outcome:
    from llmgen.operate.engines.names import named
    from llmgen.operate.guard.once import gate

    placed = plan(read(session))
    refused = gate(placed, named(placed.placements, name))
    return Outcome({"may_start": not refused}, ok=not refused, diagnostics=tuple(refused))
