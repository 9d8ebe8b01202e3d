"""``diff``, ``status``, ``logs`` and ``generations`` of a cluster: looking, changing nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from llmgen.cli.outcome import Outcome
from llmgen.cli.waiting import waiting
from llmgen.errors import Diagnostic, LlmgenError, Severity

if TYPE_CHECKING:
    from llmgen.cli.boundary import Session
    from llmgen.cli.on_cluster import ClusterChoice
    from llmgen.operate.kubectl.reach import Reach
    from llmgen.operate.kubectl.rollout import Workload
    from llmgen.targets.kubernetes.names import Object
    from llmgen.targets.kubernetes.scene import ClusterScene

_DURATION = re.compile(r"(\d+(h|m|s))+")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")


def diff(
    session: Session,
    asked: ClusterChoice,
    *,
    output: str | None,
    targets: tuple[str, ...],
) -> Outcome:
    """What install would change in the cluster, as a unified diff; exit 1 when anything.

    Where a folder is named, or no cluster, what generate would change there.
    """
    if output or targets or asked.place() is None:
        from llmgen.cli.diff import of_folder

        return of_folder(session, asked.found, output, targets)
    from llmgen.operate.kubectl import apply
    from llmgen.operate.kubectl.changes import difference

    made, notes = asked.scene(session)
    wanted = asked.objects(made)
    reach = asked.reach()
    with asked.located(), waiting(f"asking {reach.place.context}"):
        # What others have set is other, too.
        prepared = apply.prepare(reach, wanted, apply.ApplyOptions(force=True))
    text = difference(prepared.changes)
    unknown = () if prepared.is_judged else (apply.unjudged(reach),)
    changes = [
        {"action": item.action.value, "object": str(item.thing)}
        for item in prepared.changes
        if item.alters
    ]
    return Outcome(
        {"changes": changes, "diff": text},
        text=text,
        said="" if changes else f"{reach.place} is what llm.toml says",
        ok=not changes,
        diagnostics=(*notes, *unknown),
    )


def status(session: Session, asked: ClusterChoice) -> Outcome:
    """Controllers and their pods, and what is other than llm.toml says."""
    from llmgen.operate.kubectl.watch import look

    made, _ = asked.scene(session)
    wanted = asked.objects(made)
    reach = asked.reach()
    with asked.located(), waiting(f"asking {reach.place.context}"):
        rows = look(reach)
        differences = [*_differences(reach, wanted)]
    pools = {app.name: app.unit.pool for app in made.apps}
    units = [{**_row(item, pools), "pods": list(item.pods)} for item in rows]
    well = all(item.is_settled for item in rows) and not differences
    return Outcome(
        {"context": reach.place.context, "namespace": reach.place.namespace, "units": units},
        text=partial(_show, rows, pools),
        said="" if rows else "nothing runs there",
        ok=well,
        diagnostics=tuple(differences),
    )


def _differences(reach: Reach, wanted: Sequence[Object]) -> Iterator[Diagnostic]:
    """What install would do; what this user may not ask is unknown, not other."""
    from msgspec.structs import replace

    from llmgen.operate.kubectl import apply

    try:
        prepared = apply.prepare(reach, wanted, apply.ApplyOptions(force=True))
    except LlmgenError as error:
        yield from (replace(item, severity=Severity.WARNING) for item in error.diagnostics)
        return
    changes = [item for item in prepared.changes if item.alters]
    if changes:
        some = ", ".join(str(item.thing) for item in changes[:5])
        yield Diagnostic(
            "kubernetes.differs",
            f"{len(changes)} objects are other than llm.toml says: {some}"
            f"{' …' if len(changes) > 5 else ''}",
            hint="`llmgen diff` shows it, `llmgen install` applies it",
            severity=Severity.WARNING,
        )


def _row(item: Workload, pools: dict[str, str]) -> dict[str, Any]:
    return {
        "name": item.name,
        "kind": item.kind,
        "pool": pools.get(item.name),
        "ready": item.ready,
        "wanted": item.wanted,
        "nodes": list(item.nodes),
        "state": item.state,
        "since": item.since or None,
        "why": item.why,
    }


def _show(rows: Sequence[Workload], pools: dict[str, str]) -> None:
    from llmgen.cli.drawing import echo, table_of

    table = table_of("unit", "pool", ">ready", "nodes", "state", "since", "why")
    for item in rows:
        table.add_row(
            item.name,
            pools.get(item.name, "-"),
            f"{item.ready}/{item.wanted}",
            " ".join(item.nodes) or "-",
            item.state,
            item.since or "-",
            item.why or "-",
        )
    if rows:
        echo(table)


def logs(
    session: Session,
    asked: ClusterChoice,
    *,
    names: tuple[str, ...],
    lines: int | None,
    since: str,
    follow: bool,
) -> Outcome:
    """The last lines of the named units' pods, or of all."""
    made, _ = asked.scene(session)
    reach = asked.reach()
    units = [_unit(made, name) for name in names]
    words = [*_log_words(units, lines, since)]
    with asked.located():
        if follow and not session.json:
            return Outcome(exit_code=reach.follow([*words, "--follow"]))
        text = reach.must(words).output
    said = "" if text else "they have said nothing, or there are no pods"
    return Outcome({"lines": text.splitlines()}, text=text, said=said)


def _log_words(units: Sequence[str], lines: int | None, since: str) -> Iterator[str]:
    from llmgen.targets.kubernetes.names import APP, MANAGER, PART_OF

    yield "logs"
    some = f",{APP} in ({','.join(units)})" if units else ""
    yield f"--selector={PART_OF}={MANAGER}{some}"
    yield from ("--all-containers", "--prefix", "--ignore-errors", "--max-log-requests=1000")
    yield f"--tail={lines or (-1 if since else 100)}"
    if not since:
        return
    if _DURATION.fullmatch(since):
        yield f"--since={since}"
    elif _MOMENT.fullmatch(since):
        yield f"--since-time={since}"
    else:
        raise click.UsageError(
            "`--since` of a cluster is a time like `2h`, `30m`, or `2026-01-31T12:00:00Z`"
        )


def _unit(made: ClusterScene, name: str) -> str:
    """The unit of this name, or the one that serves the model of this name."""
    from difflib import get_close_matches

    known = {
        name: app.name
        for app in made.serving
        for item in app.unit.plan.placements
        for name in item.model.names
    }
    known |= {app.name: app.name for app in made.apps}
    if name in known:
        return known[name]
    near = get_close_matches(name, known, 1)
    units = ", ".join(dict.fromkeys(known.values()))
    hint = f"did you mean `{near[0]}`?" if near else f"units are {units}"
    raise click.UsageError(f"no unit or model is called `{name}`; {hint}")


def generations(session: Session, asked: ClusterChoice, *, keep: int | None) -> Outcome:
    """What was applied, by the records in the namespace."""
    from llmgen.operate.kubectl import apply, history, look

    del session
    reach = asked.reach()
    with asked.located():
        records = look.records(reach)
        dropped = apply.forget(reach, history.numbers(records), keep) if keep else []
    known = [item for item in history.generations(records) if item.number not in dropped]
    rows = [
        {
            "number": item.number,
            "installed": item.installed,
            "reason": item.reason,
            "objects": len(item.objects),
        }
        for item in known
    ]
    text = "".join(
        f"{row['number']:>4}  {row['installed']}  {row['objects']:>3} objects  {row['reason']}\n"
        for row in rows
    )
    said = f"dropped {', '.join(map(str, dropped))}" if dropped else ""
    if not rows:
        said = said or "nothing is applied; `llmgen install` makes the first generation"
    return Outcome({"generations": rows, "dropped": dropped}, text=text, said=said)


def doctor(session: Session, asked: ClusterChoice, *, everything: bool) -> Outcome:
    """The cluster beside what the plan counts on."""
    from llmgen.cli.doctor import told
    from llmgen.doctor.cluster import look
    from llmgen.doctor.rules.cluster import diagnose

    made, notes = asked.scene(session)
    wanted = asked.objects(made)
    reach = asked.reach()
    with asked.located(), waiting(f"asking {reach.place.context}"):
        seen = look(reach, made, wanted)
    return told(diagnose(made, wanted, seen), notes, everything=everything)
