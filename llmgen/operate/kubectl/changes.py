"""What applying some objects changes in a cluster, as the server itself answers to a dry run."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from llmgen.operate.kubectl.objects import (
    CLAIM,
    CONFIG_MAP,
    KINDS,
    Thing,
    bare,
    by_thing,
    is_generation,
    is_ours,
    thing,
)
from llmgen.render.blocks import blocks
from llmgen.targets.kubernetes.names import Object

NAMESPACE: Final = ("", "Namespace")


class ObjectAction(StrEnum):
    """What happens to an object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    KEEP = "keep"
    STAY = "stay"


class ObjectChange(Struct, frozen=True):
    """One object: as it is there, and as it will be; ``why`` says it where that is not plain."""

    action: ObjectAction
    thing: Thing
    before: Object | None = None
    after: Object | None = None
    why: str = ""

    @property
    def alters(self) -> bool:
        """Whether anything happens."""
        return self.action in (ObjectAction.CREATE, ObjectAction.UPDATE, ObjectAction.DELETE)

    @property
    def stays(self) -> bool:
        """Whether it is left, though nobody wants it any longer."""
        return self.action is ObjectAction.STAY


class Living(Struct, frozen=True):
    """What is in the cluster: objects with llmgen's labels, and those of a dry run's answer.

    ``dry`` is None where the server cannot be asked, since the namespace is not there yet.
    """

    ours: Mapping[Thing, Object]
    dry: Mapping[Thing, Object] | None
    namespace: Object | None


def decide(
    wanted: Sequence[Object],
    living: Living,
    *,
    recent: Collection[Thing] = (),
    with_claims: bool = False,
) -> tuple[ObjectChange, ...]:
    """Every object that is wanted, then those that no longer are.

    ``recent`` ConfigMaps stay: pods that still end, or come back, are made from them.
    """
    known = by_thing(wanted)
    return (
        *(_wanted(item, living) for item in wanted),
        *_left(living.ours.values(), known, recent, with_claims=with_claims),
    )


def foreign(wanted: Sequence[Object], living: Living) -> list[Thing]:
    """Objects in the way that do not have llmgen's labels."""
    if living.dry is None:
        return []
    return [
        name
        for name in map(thing, wanted)
        if name.type != NAMESPACE
        and name not in living.ours
        and "resourceVersion" in living.dry[name]["metadata"]
    ]


def _wanted(item: Object, living: Living) -> ObjectChange:
    name = thing(item)
    if living.dry is None:
        if name.type == NAMESPACE and living.namespace is not None:
            return ObjectChange(ObjectAction.UPDATE, name, living.namespace, item)
        return ObjectChange(ObjectAction.CREATE, name, None, item)
    after = living.dry[name]
    before = living.namespace if name.type == NAMESPACE else living.ours.get(name)
    if "resourceVersion" not in after["metadata"]:
        return ObjectChange(ObjectAction.CREATE, name, None, item)
    if before is None:
        return ObjectChange(ObjectAction.UPDATE, name, None, after, "it is somebody else's")
    action = ObjectAction.KEEP if bare(before) == bare(after) else ObjectAction.UPDATE
    return ObjectChange(action, name, before, after)


def _left(
    ours: Iterable[Object],
    wanted: Mapping[Thing, Object],
    recent: Collection[Thing],
    *,
    with_claims: bool,
) -> Iterator[ObjectChange]:
    for item in ours:
        name = thing(item)
        if name in wanted or name.type not in KINDS or not is_ours(item) or is_generation(item):
            continue
        if name.type == CLAIM and not with_claims:
            yield ObjectChange(ObjectAction.STAY, name, item, None, "model files")
        elif name.type == CONFIG_MAP and name in recent:
            yield ObjectChange(
                ObjectAction.STAY, name, item, None, "pods of before are made from it"
            )
        else:
            yield ObjectChange(ObjectAction.DELETE, name, item)


def difference(changes: Iterable[ObjectChange]) -> str:
    """What would be other, as a unified diff of YAML; empty when nothing."""
    return "".join(line for item in changes if item.alters for line in _diff(item))


def _diff(item: ObjectChange) -> Iterator[str]:
    before = _lines(item.before)
    after = [] if item.action is ObjectAction.DELETE else _lines(item.after)
    names = (
        f"a/{item.thing}" if item.before else "/dev/null",
        "/dev/null" if item.action is ObjectAction.DELETE else f"b/{item.thing}",
    )
    yield from difflib.unified_diff(before, after, *names)


def _lines(item: Object | None) -> list[str]:
    return blocks(bare(item)).splitlines(keepends=True) if item is not None else []
