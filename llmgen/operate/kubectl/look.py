"""What is in the cluster: the stack's own objects, a dry run's answer, the generations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from llmgen.errors import Diagnostic, InputError, OwnershipError
from llmgen.operate.kubectl import failures
from llmgen.operate.kubectl.changes import NAMESPACE, Living, foreign
from llmgen.operate.kubectl.history import NUMBER
from llmgen.operate.kubectl.objects import (
    GENERATION,
    KINDS,
    SELECTOR,
    Thing,
    as_list,
    by_thing,
    thing,
)
from llmgen.operate.kubectl.program import KubectlBounds
from llmgen.operate.kubectl.reach import Reach
from llmgen.operate.programs import ProgramResult
from llmgen.targets.kubernetes.names import COMPONENT, MANAGER, Object

# Thousands of objects, a few a second.
PATIENCE = KubectlBounds(seconds=900)
# The records of generations.
RECORDS = f"{SELECTOR},{COMPONENT}={GENERATION},{NUMBER}"


def namespace(reach: Reach) -> Object | None:
    """The namespace; None where it is not there."""
    words = ("get", "namespace", reach.place.namespace, "--ignore-not-found")
    return next(iter(reach.listed(words)), None)


def ours(reach: Reach) -> list[Object]:
    """Every object with llmgen's labels, of the kinds that llmgen writes, in the namespace."""
    wanted = (f"{name}.{group}" if group else name for (group, _), name in KINDS.items())
    return reach.listed(
        ("get", ",".join(served(reach, wanted)), f"--selector={SELECTOR}", "--ignore-not-found")
    )


def served(reach: Reach, names: Iterable[str]) -> list[str]:
    """Of these kinds, those that the server has; one that is broken hides no others."""
    done = reach.run(("api-resources", "--namespaced=true", "--verbs=list", "--output=name"))
    there = {*done.output.split()}
    if not there:
        raise reach.error(done)
    return [name for name in names if name in there]


def records(reach: Reach) -> list[Object]:
    """The ConfigMaps that record generations."""
    return reach.listed(("get", "configmaps", f"--selector={RECORDS}", "--ignore-not-found"))


def living(
    reach: Reach,
    wanted: Sequence[Object],
    there: Object | None,
    ours: Sequence[Object],
    *,
    force: bool = False,
) -> tuple[Living, tuple[Diagnostic, ...]]:
    """What is there beside what is wanted, and what the server warns of; nothing is changed.

    InputError for what the server refuses.
    """
    if there is None:
        return Living({}, None, None), ()
    found = by_thing(ours)
    if elsewhere := [*_elsewhere(wanted, reach.place.namespace)]:
        words = ("get", "--ignore-not-found", "--filename=-")
        found |= by_thing(reach.listed(words, given=json.dumps(as_list(elsewhere))))
    dry, warned = dry_run(reach, wanted, force=force)
    return Living(found, dry, there), warned


def _elsewhere(wanted: Sequence[Object], namespace: str) -> Iterator[Object]:
    """Objects that no listing of the namespace has, but for itself."""
    for item in wanted:
        name = thing(item)
        if name.type != NAMESPACE and name.namespace != namespace:
            yield item


def dry_run(
    reach: Reach, wanted: Sequence[Object], *, force: bool
) -> tuple[Mapping[Thing, Object], tuple[Diagnostic, ...]]:
    """The objects as the server would have them, and its warnings; InputError where it says no."""
    text = json.dumps(as_list(wanted))
    done = reach.run(
        (*apply_words(force=force), "--dry-run=server", "--output=json"),
        given=text,
        bounds=PATIENCE,
    )
    if not done.ok:
        raise refused(reach, wanted, done, force=force)
    found = by_thing(reach.objects(reach.parsed(done.output)))
    missing = [thing(item) for item in wanted if thing(item) not in found]
    if missing:
        raise InputError(failures.garbage(reach.place, done.output))
    return found, (*failures.warned(done.errors, reach.place),)


def apply_words(*, force: bool) -> tuple[str, ...]:
    """Words of kubectl's for a server-side apply of what it reads."""
    return (
        "apply",
        "--server-side",
        f"--field-manager={MANAGER}",
        "--validate=strict",
        *(("--force-conflicts",) if force else ()),
        "--filename=-",
    )


def refused(
    reach: Reach, wanted: Sequence[Object], done: ProgramResult, *, force: bool
) -> InputError:
    """The error of a failed apply.

    Conflicts are told without a name, so kubectl is asked again which objects are well.
    """
    again = reach.run(
        (*apply_words(force=force), "--dry-run=server", "--output=name"),
        given=json.dumps(as_list(wanted)),
        bounds=PATIENCE,
    )
    well = {*again.output.split()}
    bad = [str(thing(item)) for item in wanted if _printed(item) not in well]
    return reach.error(done, bad)


def _printed(item: Object) -> str:
    """The object as `--output=name` prints it."""
    name = thing(item)
    group = f".{name.group}" if name.group else ""
    return f"{name.kind.lower()}{group}/{name.name}"


def refuse_foreign(reach: Reach, wanted: Sequence[Object], found: Living) -> None:
    """OwnershipError for objects of these names that somebody else made."""
    items = foreign(wanted, found)
    if items:
        raise OwnershipError([_in_the_way(reach, item) for item in items])


def _in_the_way(reach: Reach, item: Thing) -> Diagnostic:
    return Diagnostic(
        "kubernetes.not-ours",
        f"`{item}` in {reach.place} is not llmgen's: it has not its labels",
        ("kubernetes", "namespace"),
        hint="another `namespace`, or `--adopt` takes over what is there",
    )
