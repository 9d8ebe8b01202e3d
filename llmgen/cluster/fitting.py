"""Whether a pool's nodes hold its pods: if they are placed well, and in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from llmgen.cluster import reasons
from llmgen.cluster.any_order import Arrangement, Wait, for_good, waits
from llmgen.cluster.best_case import packed
from llmgen.cluster.nodes import Pod
from llmgen.cluster.pending import fewest
from llmgen.cluster.pool_numbers import PoolNumbers, Vector, share
from llmgen.cluster.proof import Fit
from llmgen.cluster.steps import Certainty, answered
from llmgen.fleet.search.steps import SearchAllowance, SearchedEnough

# Steps of all questions of one kind together, and of each.
STEPS, EACH = 40_000, 10_000


def fit(pool: PoolNumbers, name: str, pods: Sequence[Pod]) -> tuple[Fit, list[Vector] | None]:
    """What is so of the pods on these nodes, and what each node holds if all were placed."""
    possible, held = well_placed(pool)
    certain, places = certainly(pool)
    if certain == "yes":
        possible = "yes"
    elif possible == "no":
        certain = "no"
    waiting, proved = _waiting(pool, pods, possible)
    names = {controller for at in places for controller in pool.kinds[at].names}
    may_wait = tuple(pod.name for pod in pods if pod.name in names)
    match possible, certain:
        case "no", _:
            reason = reasons.no_room(pool, name, waiting)
        case _, "no":
            reason = reasons.may_wait(pool, name, may_wait[0])
        case "yes", "yes":
            reason = ""
        case _:
            reason = reasons.NOT_PROVED
    return Fit(pool.nodes, possible, certain, waiting, proved, may_wait, reason), held


def possibly(pool: PoolNumbers) -> Certainty:
    """Whether some arrangement has all pods on nodes."""
    return well_placed(pool)[0]


def well_placed(pool: PoolNumbers) -> tuple[Certainty, list[Vector] | None]:
    """The same, and what each node holds then."""
    try:
        held = packed(pool, pool.counts, SearchAllowance(EACH))
    except SearchedEnough:
        return "unknown", None
    return "no" if held is None else "yes", held


def certainly(pool: PoolNumbers) -> tuple[Certainty, list[int]]:
    """Whether no pod ever waits for good, and of which kinds one may."""
    found = dict(waiting_kinds(pool))
    kinds = [at for at, verdict in found.items() if verdict == "yes"]
    if kinds:
        return "no", kinds
    return "unknown" if "unknown" in found.values() else "yes", []


def waiting_kinds(pool: PoolNumbers) -> Iterator[tuple[int, Certainty]]:
    """Each kind, and whether a pod of it may wait for good; the largest, most easily, first."""
    steps, known = SearchAllowance(STEPS), list[Arrangement]()
    for at in sorted(
        range(len(pool.kinds)), key=lambda at: -share(pool.kinds[at].size, pool.capacity)
    ):
        yield at, answered(steps, EACH, partial(_waits, pool, for_good(pool, at), known))


def _waits(pool: PoolNumbers, wait: Wait, known: list[Arrangement], steps: SearchAllowance) -> bool:
    return waits(pool, wait, steps, known)


def _waiting(
    pool: PoolNumbers, pods: Sequence[Pod], possible: Certainty
) -> tuple[tuple[tuple[str, int], ...], bool]:
    """Whose pods wait at best: of pods that are alike those of the last controllers."""
    if possible == "yes":
        return (), True
    # What was looked for in vain is not looked for again.
    counts, proved = fewest(pool, SearchAllowance(EACH if possible == "no" else 0))
    left, found = list(counts), dict[str, int]()
    for pod in reversed([pod for pod in pods if pod.copies > 0]):
        at = pool.place(pod)
        if here := min(left[at], pod.copies):
            found[pod.name] = here
            left[at] -= here
    return tuple((pod.name, found[pod.name]) for pod in pods if pod.name in found), proved
