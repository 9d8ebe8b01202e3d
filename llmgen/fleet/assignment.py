"""Who serves what: as llm.toml says, and where it leaves that open, as the search finds best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from llmgen.errors import Diagnostic, PlanError, Severity
from llmgen.fleet import placement
from llmgen.fleet.ground import FleetGround
from llmgen.fleet.host_reasons import reasons
from llmgen.fleet.no_host import NoHost
from llmgen.fleet.planner import choosing
from llmgen.fleet.project import ModelSeats
from llmgen.fleet.seats import Wish, fixed, wishes

# Among so many hosts another one is looked for.
ADVISED: Final = 16
_UNPROVED = Diagnostic(
    "hosts.not-proved",
    "not every placement over the hosts was looked at: this is the best of those that were",
    ("models",),
    hint='`host = "NAME"` for some of the models leaves less to search',
    severity=Severity.WARNING,
)


def seated(ground: FleetGround) -> tuple[ModelSeats, Mapping[str, str], tuple[Diagnostic, ...]]:
    """The hosts of each model, why, and what is doubtful; PlanError where a model has none."""
    found = wishes(ground.config)
    if not any(wish.open for wish in found.values()):
        return fixed(found), {}, ()
    made = choosing(ground, found)
    placed = placement.place(made)
    doubts = () if placed.proved else (_UNPROVED,)
    if isinstance(placed, placement.Refused):
        if len(ground.config.hosts) <= ADVISED:
            # Advice may be a host that llm.toml does not allow.
            wider = placement.place(choosing(ground, found, everywhere=True))
            placed = wider if isinstance(wider, placement.Refused) else placed
        raise PlanError([*_refusals(placed.missing, found), *doubts])
    return placed.hosts, dict(reasons(made, placed.hosts)), doubts


def advised(item: Diagnostic, ground: FleetGround, seats: ModelSeats) -> Diagnostic:
    """The same refusal of one host, with the other hosts on which the model fits as it is."""
    name = str(item.key[1]) if item.key[:1] == ("models",) and len(item.key) > 1 else ""
    if name not in seats or len(seats[name]) > 1 or len(ground.config.hosts) > ADVISED:
        return item
    found = {key: wish for key, wish in wishes(ground.config).items() if key in seats}
    oracle = choosing(ground, found, everywhere=True).oracle
    others = [host for host in ground.config.hosts if host not in seats[name]]
    there = {host: {key for key, on in seats.items() if host in on} for host in others}
    able = [host for host in others if oracle.fits(host, frozenset({*there[host], name}))]
    if not able:
        return item
    told = f"on `{able[0]}` it fits as it is"
    return replace(item, hint=f"{told}; {item.hint}" if item.hint else told)


def _refusals(missing: Iterable[NoHost], found: Mapping[str, Wish]) -> Iterable[Diagnostic]:
    for item in missing:
        moves = " or ".join(move.words for move in item.moves)
        told = (
            "fits on no host" if found[item.model].open else "does not fit where it is told to be"
        )
        yield Diagnostic(
            "hosts.no-room",
            f"`{item.model}` {told}: {'; '.join(item.why.values())}",
            ("models", item.model),
            hint=moves or "a shorter context, a smaller quantisation, or fewer models beside it",
        )
