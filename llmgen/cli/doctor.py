"""``llmgen doctor``: compare this machine with the plan; change nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import known_plan, read, unknown_models

if TYPE_CHECKING:
    from llmgen.cli.pipeline import Read
    from llmgen.doctor.model import Finding
    from llmgen.plan.model import Plan

_COLOUR = {"ok": "green", "failed": "red", "unknown": "yellow"}


@command(short_help="compare this machine with the plan")
@click.option("--all", "everything", is_flag=True, help="Show what is well, too.")
def cli(session: Session, *, everything: bool) -> Outcome:
    """Check programs, versions, options, model files, ports, memory, drivers and logs.

    Says for each rule what was expected, what was observed, and the command that mends it. What
    could not be found out is unknown, never failed. Exits with 1 when something failed.
    """
    from llmgen.doctor.probe import look
    from llmgen.doctor.rules import diagnose

    source = read(session)
    placed = known_plan(source)
    findings = (*diagnose(placed, look(placed)), *_held(source, placed))
    failed = any(finding.verdict.value == "failed" for finding in findings)
    return Outcome(
        {"findings": findings},
        text=_text(findings, everything=everything),
        ok=not failed,
        diagnostics=unknown_models(source, placed),
    )


def _held(found: Read, placed: Plan) -> Iterator[Finding]:
    """Pools of which others hold what the plan counts on, with a change that was planned."""
    from llmgen.cli.proposal import proposal, short_pools
    from llmgen.doctor.model import judged

    for short in short_pools(found, placed):
        fix = proposal(found, placed, short)
        yield judged("memory-left", short.device, short.expected, short.observed, ok=False, fix=fix)


def _text(findings: Sequence[Finding], *, everything: bool) -> str:
    shown = [item for item in findings if everything or item.verdict.value != "ok"]
    found = Counter(item.verdict.value for item in findings)
    total = ", ".join(f"{found[verdict]} {verdict}" for verdict in _COLOUR if found[verdict])
    return "\n".join([*(_one(item) for item in shown), total or "nothing to check"])


def _one(item: Finding) -> str:
    from llmgen.cli.drawing import paragraph

    verdict = click.style(f"{item.verdict.value:7}", fg=_COLOUR[item.verdict.value])
    named = {
        "expected": item.expected,
        "observed": item.observed,
        "evidence": item.evidence,
        "fix": item.fix,
    }
    told = [f"{' ' * 8}{name:8} {text}" for name, text in named.items() if text]
    return "\n".join(
        [f"{verdict} {item.rule}: {item.subject}", *(paragraph(line, hang=17) for line in told)]
    )
