"""Why a model that was in memory no longer is: by what its engine says, or by what was seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from msgspec import Struct

# States of llama-swap, of the router and of always-on servers in which requests are answered.
SERVES: Final = ("ready", "loaded", "sleeping")
_COMES: Final = ("starting", "loading")

NOT_TOLD: Final = "its engine does not say why"
ENDED: Final = "its server ended by itself"
RESTARTED: Final = "its server was started again"


class Departure(Struct, frozen=True):
    """A model that left memory; ``at`` is the monotonic time, None when before anyone watched."""

    model: str
    why: str
    at: float | None = None


def departed(
    before: Mapping[str, str], now: Mapping[str, str], at: float, always: Collection[str] = ()
) -> list[Departure]:
    """Who left between two looks at the states of all models.

    An engine unloads to make room for what it loads; a server that is always on only ends.
    """
    arrived = [
        name
        for name, state in now.items()
        if state in (*SERVES, *_COMES) and before.get(name) not in (*SERVES, *_COMES)
    ]
    gone = [
        name
        for name, state in before.items()
        if state in SERVES and now.get(name, "") not in (*SERVES, *_COMES, "unknown")
    ]
    room = made_room([name for name in arrived if name not in always])
    return [Departure(name, ENDED if name in always else room, at) for name in gone]


def made_room(arrived: Collection[str]) -> str:
    """The reason where others came at the same time."""
    return f"made room for {', '.join(arrived)}" if arrived else NOT_TOLD
