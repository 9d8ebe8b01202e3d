"""``llmgen doctor``: compare this machine with the plan; change nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.on_cluster import on_cluster
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import known_plan, read, unknown_models

if TYPE_CHECKING:
    from llmgen.cli.pipeline import Read
    from llmgen.doctor.findings import Finding
    from llmgen.errors import Diagnostic
    from llmgen.plan.plan import Plan

_COLOUR = {"ok": "green", "failed": "red", "unknown": "yellow"}


@command(short_help="compare this machine with the plan")
@on_cluster("llmgen.cli.cluster_look:doctor", takes=("everything",))
@click.option("--all", "everything", is_flag=True, help="Show what is well, too.")
@on_hosts(
    ShownRows(
        "findings", ("verdict", "rule", "subject", "expected", "observed"), usual=("verdict", "ok")
    )
)
def cli(session: Session, *, everything: bool) -> Outcome:
    """Check programs, versions, options, model files, ports, memory, drivers and logs.

    Says for each rule what was expected, what was observed, and the command that mends it. What
    could not be found out is unknown, never failed. Exits with 1 when something failed.

    With [kubernetes]: versions, what is installed in the cluster, storage, the entries of Secrets
    by their names, and each pool's nodes beside what the plan takes.
    """
    from llmgen.doctor.probe import look
    from llmgen.doctor.rules import diagnose

    source = read(session)
    placed = known_plan(source)
    running = [*_running(source, placed)]
    known = {(item.rule, item.subject) for item in running}
    looked = diagnose(placed, look(placed))
    findings = (*(item for item in looked if (item.rule, item.subject) not in known), *running)
    return told(findings, unknown_models(source, placed), everything=everything)


def told(findings: Sequence[Finding], notes: Sequence[Diagnostic], *, everything: bool) -> Outcome:
    """What the rules found; the answer is no where something failed."""
    failed = any(finding.verdict.value == "failed" for finding in findings)
    return Outcome(
        {"findings": findings},
        text=_text(findings, everything=everything),
        ok=not failed,
        diagnostics=tuple(notes),
    )


def _running(found: Read, placed: Plan) -> Iterator[Finding]:
    """Ports of another llm.toml's stack, and memory that was measured otherwise than planned."""
    from llmgen.cli.asking import asking
    from llmgen.cli.proposal import proposals, short_of
    from llmgen.doctor.findings import judged
    from llmgen.operate.status.port_holder import Whose, holder, told
    from llmgen.operate.status.stack import expected, observe

    who = asking(found)
    wanted = expected(placed, who.site)
    seen = observe(placed, who, wanted)
    for item in wanted:
        held = holder(item.at, seen)
        if held.whose is Whose.ANOTHER:
            said, free = told(item.at, held), f"free, or held by {item.service.name}"
            yield judged("port", str(item.port), free, said.message, ok=False, fix=said.hint)
    for short, fix in proposals(placed, short_of(placed, seen)):
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
