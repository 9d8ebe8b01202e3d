"""What a plan promises and does not hold, with edits of llm.toml that were planned and mend it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from llmgen.errors import Diagnostic, PlanError
from llmgen.library import Keep, Library
from llmgen.plan.advise import Advice, Adviser, Tried
from llmgen.plan.attempt import REFUSED, Attempt, by_rule, mends, rewritten_attempt
from llmgen.plan.changes import closed
from llmgen.plan.elsewhere import elsewhere
from llmgen.plan.requirements import ROUTER_KEY, Broken
from llmgen.plan.rewrite import Edit, rewritten
from llmgen.plan.router_limits import SWAP, RouterLimit, alone_words
from llmgen.plan.scale import Scale
from llmgen.plan.shortage import contradiction, shortage
from llmgen.plan.stack import Stack
from llmgen.plan.words import edit_words

# Advice is tried for so many findings; the others say what is missing.
ADVISED = 3
AUTO: tuple[Edit, ...] = ((ROUTER_KEY, '"auto"'),)
MATRIX: tuple[Edit, ...] = ((("plan", "engine"), '"matrix"'),)


class PlannedWay(Struct, frozen=True):
    """A way out: the sentence, and its parts where it is a change of llm.toml that was planned."""

    sentence: str
    edits: str = ""
    won_bytes: int = 0
    prices: tuple[str, ...] = ()


class PlanFinding(Struct, frozen=True):
    """What does not hold, as people are told it; ``broken`` where it is a requirement."""

    diagnostic: Diagnostic
    broken: Broken | None = None
    ways: tuple[PlannedWay, ...] = ()


def findings(tried: Attempt) -> list[PlanFinding]:
    """What does not fit, with changes that do: each is planned before it is told."""
    told = [PlanFinding(_limit(tried, item)) for item in tried.limits]
    told += [
        PlanFinding(contradiction(item, tried.stack), item) for item in tried.broken if item.quarrel
    ]
    full = [item for item in tried.broken if not item.quarrel]
    advice = {item.identity: tuple(_ways(tried, item)) for item in full[:ADVISED]}
    for item in full:
        # What mends a requirement mends it on every pool, whichever pool led to it.
        same = (advice.get(other.identity) for other in full if other.key == item.key)
        ways = advice.get(item.identity) or next(filter(None, same), ())
        sentences = [way.sentence for way in ways]
        found = shortage(item, tried.weigh, tried.stack, tried.settled, sentences)
        beyond = (tried.unsearched,) if tried.unsearched else ()
        told.append(PlanFinding(replace(found, notes=(*found.notes, *beyond)), item, ways))
    return told


def _limit(tried: Attempt, item: RouterLimit) -> Diagnostic:
    """A wish that the router does not hear, with the edits that were planned and help."""
    ways = [*filter(None, (_limit_way(tried, item, edits) for edits in item.ways))]
    return replace(
        item.finding,
        hint=ways[0] if ways else item.finding.hint,
        notes=tuple(f"also: {way}" for way in ways[1:]),
    )


def _limit_way(tried: Attempt, item: RouterLimit, edits: tuple[Edit, ...]) -> str:
    after = rewritten_attempt(tried, edits)
    if after is None or not mends(after, tried, item.identity[0]):
        return ""
    if edits == SWAP:
        return f"{edit_words(edits)} fits (it knows which models fit together)"
    price = "; ".join(alone_words(after.stack, edits))
    return f"{edit_words(edits)} fits{f' ({price})' if price else ''}"


def _ways(tried: Attempt, item: Broken) -> Iterator[PlannedWay]:
    """Edits that mend a sum; where there is none, what would do instead."""
    found = [*map(_way, _advice(tried, item))]
    if not found and mends(rewritten_attempt(tried, MATRIX), tried, ("plan", "engine")):
        found = [*map(_way, _advice(tried, item, MATRIX))]
    if item.key == ROUTER_KEY and mends(rewritten_attempt(tried, AUTO), tried, ROUTER_KEY):
        edits, price = edit_words(AUTO), "as many as always fit"
        found = [PlannedWay(f"{edits}: {price}", edits, prices=(price,)), *found]
    yield from found or map(PlannedWay, elsewhere(tried, item))


def _way(advice: Advice) -> PlannedWay:
    return PlannedWay(advice.sentence, advice.edits, max(0, advice.won_bytes), advice.prices)


def _advice(tried: Attempt, item: Broken, beside: tuple[Edit, ...] = ()) -> list[Advice]:
    """Changes that mend it: sought with all other values fixed, then planned with them open."""

    def planned(edits: Sequence[Edit]) -> bool:
        after = rewritten_attempt(tried, (*beside, *edits))
        return mends(after, tried, item.key)

    def numbers(other: Library) -> Tried:
        return _numbers(other, tried.weigh.of(other))

    library = rewritten(tried.library, beside) if beside else tried.library
    fixed = replace(
        library,
        models=tuple(closed(model, tried.settled[model.name].settings) for model in library.models),
    )
    suspects = [
        model.name
        for model in library.models
        if model.keep is Keep.ALWAYS or model.name in item.requirement.models
    ]
    adviser = Adviser(fixed, item.pool, item.key, numbers, planned, beside)
    return adviser.advise(suspects)


def _numbers(library: Library, weigh: Scale) -> Tried:
    """A changed library as numbers; where a server would not start, nothing fits."""
    try:
        made = by_rule(library, weigh)
    except PlanError:
        return Stack({}, {}), frozenset({REFUSED})
    return made.stack, made.wrong
