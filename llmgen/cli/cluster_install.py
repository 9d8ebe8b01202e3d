"""``install``, ``rollback`` and ``uninstall`` of a cluster: server-side applies by kubectl."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from llmgen.cli.boundary import INTERRUPTED
from llmgen.cli.outcome import Outcome
from llmgen.cli.ready import NO_WAIT
from llmgen.cli.waiting import waiting
from llmgen.errors import InputError, Severity

if TYPE_CHECKING:
    from llmgen.cli.boundary import Session
    from llmgen.cli.on_cluster import ClusterChoice
    from llmgen.errors import Diagnostic
    from llmgen.operate.kubectl.apply import ApplyOptions, Prepared
    from llmgen.operate.kubectl.changes import ObjectChange
    from llmgen.operate.kubectl.reach import Reach
    from llmgen.operate.kubectl.rollout import Workload
    from llmgen.targets.kubernetes.names import Object

_STAYS = "no longer waiting; the cluster goes on, and `llmgen status` tells how far it is"
# Where an object does not say for how long it may make no progress.
_USUAL_SECONDS = 600


def install(
    session: Session,
    asked: ClusterChoice,
    *,
    dry_run: bool,
    adopt: bool,
    force_conflicts: bool,
    wait: bool | None,
    wait_timeout: int | None,
) -> Outcome:
    """Apply the objects of llm.toml; wait until their pods are ready."""
    from llmgen.operate.kubectl.apply import ApplyOptions

    waits = _waits(wait, wait_timeout)
    made, notes = asked.scene(session)
    wanted = asked.objects(made)
    options = ApplyOptions(force=force_conflicts, adopt=adopt)
    seconds = wait_timeout or _budget(wanted) if waits else None
    reach = asked.reach()
    return _applied(
        asked, reach, wanted, options, "install", dry_run=dry_run, seconds=seconds, notes=notes
    )


def rollback(
    session: Session,
    asked: ClusterChoice,
    *,
    number: int | None,
    dry_run: bool,
    adopt: bool,
    force_conflicts: bool,
    wait: bool | None,
    wait_timeout: int | None,
) -> Outcome:
    """Apply a former generation in the same way."""
    from llmgen.operate.kubectl import history, look
    from llmgen.operate.kubectl.apply import ApplyOptions

    del session
    waits = _waits(wait, wait_timeout)
    reach = asked.reach()
    with asked.located():
        old = history.chosen(history.generations(look.records(reach)), number)
    options = ApplyOptions(force=force_conflicts, adopt=adopt)
    reason = f"rollback to {old.number}"
    seconds = wait_timeout or _budget(old.objects) if waits else None
    return _applied(asked, reach, old.objects, options, reason, dry_run=dry_run, seconds=seconds)


def uninstall(
    session: Session, asked: ClusterChoice, *, dry_run: bool, delete_models: bool
) -> Outcome:
    """Delete what has llmgen's labels; model files only where that is said."""
    from llmgen.operate.kubectl import apply

    del session
    reach = asked.reach()
    with asked.located():
        with waiting(f"asking {reach.place.context}"):
            changes = apply.removal(reach, with_claims=delete_models)
        if not dry_run:
            apply.delete(reach, changes)
    text = _planned(changes) if dry_run else ""
    return Outcome(
        {**_data(reach, changes), "removed": not dry_run},
        text=text,
        said="" if dry_run else f"{_counts(changes)} in {reach.place}",
        diagnostics=tuple(_left(reach, changes)),
    )


def _waits(wait: bool | None, wait_timeout: int | None) -> bool:
    """Whether pods are waited for, as they are unless `--no-wait` says otherwise."""
    if wait is False and wait_timeout is not None:
        raise click.UsageError(NO_WAIT)
    return wait is not False


def _applied(
    asked: ClusterChoice,
    reach: Reach,
    wanted: Sequence[Object],
    options: ApplyOptions,
    reason: str,
    *,
    dry_run: bool,
    seconds: int | None,
    notes: Sequence[Diagnostic] = (),
) -> Outcome:
    from llmgen.operate.kubectl import apply

    with asked.located():
        with waiting(f"asking {reach.place.context}"):
            prepared = apply.prepare(reach, wanted, options)
        if dry_run:
            return _shown(reach, prepared, notes)
        if not prepared.is_judged:
            apply.make_namespace(reach, wanted, options)
            prepared = apply.prepare(reach, wanted, options)
        click.echo(_planned(prepared.changes), err=True, nl=False)
        with waiting(f"applying {len(wanted)} objects"):
            apply.apply(reach, prepared, options)
            number = apply.record(reach, prepared, reason)
    counted = f"{_counts(prepared.changes)} in {reach.place}"
    said = counted if number is None else f"generation {number}: {counted}"
    done = Outcome(
        {**_data(reach, prepared.changes), "generation": number},
        said=said,
        diagnostics=(*notes, *_warned(prepared)),
    )
    return done if seconds is None else _waited(asked, reach, done, wanted, seconds)


def _waited(
    asked: ClusterChoice, reach: Reach, done: Outcome, wanted: Sequence[Object], seconds: int
) -> Outcome:
    from msgspec.structs import replace

    from llmgen.operate.kubectl.watch import not_ready, until_settled
    from llmgen.operate.status.ready import Clock

    names = {item["metadata"]["name"] for item in wanted}
    data = done.data if isinstance(done.data, dict) else {}
    clock, begun = Clock(time.monotonic, time.sleep), time.monotonic()
    try:
        with asked.located(), waiting(f"waiting for the pods in {reach.place}") as tell:
            lacking = until_settled(
                reach, names, seconds, clock, lambda rows: tell(_line(rows, begun, seconds))
            )
    except KeyboardInterrupt:
        data = {**data, "ready": False}
        return replace(done, data=data, said=f"{done.said}\n{_STAYS}", exit_code=INTERRUPTED)
    told = tuple(not_ready(lacking, seconds, reach.place))
    return replace(
        done,
        data={**data, "ready": not lacking},
        said=done.said if lacking else f"{done.said}\nall pods are ready",
        diagnostics=(*done.diagnostics, *told),
        exit_code=InputError.exit_code if lacking else done.exit_code,
    )


def _line(lacking: Sequence[Workload], begun: float, seconds: int) -> str:
    listed = ", ".join(f"{item.name} {item.ready}/{item.wanted} ({item.state})" for item in lacking)
    return f"waiting, {time.monotonic() - begun:.0f} of at most {seconds} s: {listed}; ^C stops"


def _shown(reach: Reach, prepared: Prepared, notes: Sequence[Diagnostic]) -> Outcome:
    from llmgen.operate.kubectl.apply import unjudged

    unknown = () if prepared.is_judged else (unjudged(reach),)
    return Outcome(
        {**_data(reach, prepared.changes), "generation": None},
        text=_planned(prepared.changes) or "nothing to do\n",
        diagnostics=(*notes, *unknown, *_warned(prepared)),
    )


def _warned(prepared: Prepared) -> Iterator[Diagnostic]:
    from msgspec.structs import replace

    return (replace(item, severity=Severity.WARNING) for item in prepared.warned)


def _budget(wanted: Sequence[Object]) -> int:
    """As long as the slowest controller may take without progress."""
    told = (item.get("spec", {}).get("progressDeadlineSeconds") for item in wanted)
    return max((seconds for seconds in told if isinstance(seconds, int)), default=_USUAL_SECONDS)


def _planned(changes: Sequence[ObjectChange]) -> str:
    lines = []
    for item in changes:
        if item.alters or item.stays:
            why = f"  # {item.why}" if item.why else ""
            lines.append(f"{item.action.value:8} {item.thing}{why}\n")
    return "".join(lines)


def _data(reach: Reach, changes: Sequence[ObjectChange]) -> dict[str, Any]:
    return {
        "context": reach.place.context,
        "namespace": reach.place.namespace,
        "changes": [
            {"action": item.action.value, "object": str(item.thing), "why": item.why}
            for item in changes
            if item.alters or item.stays
        ],
    }


def _counts(changes: Sequence[ObjectChange]) -> str:
    from collections import Counter

    found = Counter(item.action.value for item in changes)
    words = {"create": "created", "update": "changed", "delete": "deleted", "keep": "unchanged"}
    said = [f"{found[key]} {word}" for key, word in words.items() if found[key]]
    return ", ".join(said) or "nothing to do"


def _left(reach: Reach, changes: Sequence[ObjectChange]) -> Iterator[Diagnostic]:
    """What an uninstall leaves: claims with model files, the namespace, generations."""
    from llmgen.errors import Diagnostic

    claims = [item.thing.name for item in changes if item.stays]
    if claims:
        yield Diagnostic(
            "kubernetes.claims-stay",
            f"the model files stay: {', '.join(f'`{name}`' for name in claims)}",
            hint="`llmgen uninstall --delete-models` deletes them, too",
            severity=Severity.NOTE,
        )
    if changes:
        place = reach.place
        yield Diagnostic(
            "kubernetes.namespace-stays",
            f"the namespace `{place.namespace}` stays, with its Secret and the generations that "
            "`llmgen rollback` goes back to",
            hint=f"`kubectl --context={place.context} delete namespace {place.namespace}` deletes "
            "it with everything in it",
            severity=Severity.NOTE,
        )
