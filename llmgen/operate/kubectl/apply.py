"""Applying objects to a cluster, taking away what is no longer wanted, and recording it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from msgspec import Struct

from llmgen.errors import Diagnostic, InputError, Severity
from llmgen.operate.kubectl import history, look
from llmgen.operate.kubectl.changes import NAMESPACE, Living, ObjectAction, ObjectChange, decide
from llmgen.operate.kubectl.objects import (
    CONFIG_MAP,
    as_list,
    by_thing,
    reference,
    thing,
)
from llmgen.operate.kubectl.reach import Reach
from llmgen.targets.kubernetes.names import Object


class ApplyOptions(Struct, frozen=True):
    """Over what objects are applied: other field managers, objects of others."""

    force: bool = False
    adopt: bool = False


class Prepared(Struct, frozen=True):
    """What an apply changes, and what was applied before; nothing is changed yet.

    Of what is ``wanted``, Jobs that were done and are gone are not among those to ``apply``.
    """

    wanted: tuple[Object, ...]
    apply: tuple[Object, ...]
    changes: tuple[ObjectChange, ...]
    known: tuple[history.ClusterGeneration, ...]
    numbers: tuple[int, ...]
    warned: tuple[Diagnostic, ...] = ()
    is_judged: bool = True

    @property
    def alters(self) -> bool:
        """Whether anything in the cluster would be other."""
        return any(item.alters for item in self.changes)


def prepare(reach: Reach, wanted: Sequence[Object], options: ApplyOptions) -> Prepared:
    """The server's own dry run beside what is there; errors for what it refuses."""
    there = look.namespace(reach)
    records = look.records(reach) if there is not None else []
    known = history.generations(records)
    ours = look.ours(reach) if there is not None else []
    todo = [item for item in wanted if not _is_done(item, ours, known)]
    try:
        found, warned = look.living(reach, todo, there, ours, force=options.force)
    except InputError as error:
        if not options.adopt and error.diagnostics[0].code == "kubernetes.conflict":
            # Whose the whole object is comes before who has set a field of it.
            look.refuse_foreign(reach, todo, look.living(reach, todo, there, ours, force=True)[0])
        raise
    if not options.adopt:
        look.refuse_foreign(reach, todo, found)
    recent = {
        thing(item)
        for past in known[-2:]
        for item in past.objects
        if thing(item).type == CONFIG_MAP
    }
    changes = decide(todo, found, recent=recent)
    numbers = tuple(history.numbers(records))
    return Prepared(
        tuple(wanted),
        tuple(todo),
        changes,
        tuple(known),
        numbers,
        warned,
        is_judged=found.dry is not None,
    )


def _is_done(
    item: Object, ours: Sequence[Object], known: Sequence[history.ClusterGeneration]
) -> bool:
    """Whether a Job was applied, and its time after it was done is over."""
    name = thing(item)
    return (
        name.kind == "Job"
        and bool(known)
        and item in known[-1].objects
        and name not in map(thing, ours)
    )


def removal(reach: Reach, *, with_claims: bool) -> tuple[ObjectChange, ...]:
    """What an uninstall takes away, and what it leaves."""
    there = look.namespace(reach)
    if there is None:
        return ()
    found = Living(by_thing(look.ours(reach)), {}, there)
    return decide((), found, with_claims=with_claims)


def make_namespace(reach: Reach, wanted: Sequence[Object], options: ApplyOptions) -> None:
    """Apply the namespace alone, so that the server can judge what is in it."""
    items = [item for item in wanted if thing(item).type == NAMESPACE]
    _apply(reach, items, options)


def apply(reach: Reach, prepared: Prepared, options: ApplyOptions) -> None:
    """Apply every object, then delete what is no longer wanted."""
    _apply(reach, prepared.apply, options)
    delete(reach, prepared.changes)


def _apply(reach: Reach, wanted: Sequence[Object], options: ApplyOptions) -> None:
    done = reach.run(
        (*look.apply_words(force=options.force), "--output=name"),
        given=json.dumps(as_list(wanted)),
        bounds=look.PATIENCE,
    )
    if not done.ok:
        raise look.refused(reach, wanted, done, force=options.force)


def delete(reach: Reach, changes: Sequence[ObjectChange]) -> None:
    """Delete what is to go, each by its name; what controllers made of it goes with it."""
    gone = [item.before for item in changes if item.action is ObjectAction.DELETE]
    items = [reference(item) for item in gone if item is not None]
    if items:
        words = ("delete", "--ignore-not-found", "--wait=false", "--filename=-")
        reach.must(words, given=json.dumps(as_list(items)), bounds=look.PATIENCE)


def record(reach: Reach, prepared: Prepared, reason: str) -> int | None:
    """Record what is applied now as a generation; None where the newest is the same."""
    wanted = prepared.wanted
    if prepared.known and prepared.known[-1].objects == wanted and not prepared.alters:
        return None
    number = max(prepared.numbers, default=0) + 1
    made = history.recorded(number, reason, wanted, reach.place.namespace)
    done = reach.run(
        ("create", "--field-manager=llmgen", "--filename=-"), given=json.dumps(as_list(made))
    )
    if not done.ok:
        if "AlreadyExists" in done.errors:
            raise InputError(_another(number))
        raise reach.error(done)
    forget(reach, [*prepared.numbers, number], history.KEPT)
    return number


def forget(reach: Reach, numbers: Sequence[int], keep: int) -> list[int]:
    """Delete the records of all but the newest generations; which those were."""
    gone = sorted(numbers)[:-keep]
    if gone:
        told = f"{history.NUMBER} in ({','.join(map(str, gone))})"
        selector = f"{look.RECORDS},{told}"
        reach.must(("delete", "configmaps", f"--selector={selector}", "--wait=false"))
    return gone


def unjudged(reach: Reach) -> Diagnostic:
    """What is said of a dry run in a namespace that is not there."""
    place = reach.place
    return Diagnostic(
        "kubernetes.not-judged",
        f"there is no namespace `{place.namespace}` in `{place.context}` yet, so the server was "
        "not asked about what will be in it",
        hint=f"`kubectl --context={place.context} create namespace {place.namespace}`, then the "
        "same command again; `llmgen install` makes it, and asks before it applies the rest",
        severity=Severity.WARNING,
    )


def _another(number: int) -> Diagnostic:
    return Diagnostic(
        "kubernetes.at-once",
        f"somebody else has made generation {number} meanwhile",
        hint="`llmgen generations` lists them, `llmgen diff` says what is other now",
    )
