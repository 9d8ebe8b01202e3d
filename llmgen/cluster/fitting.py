"""Whether a pool's nodes hold its pods: if they are placed well, and in any order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from llmgen.cluster import reasons
from llmgen.cluster.kinds import Pool, Vector, share
from llmgen.cluster.nodes import Pod
from llmgen.cluster.packed import packed
from llmgen.cluster.pending import fewest
from llmgen.cluster.proof import Fit
from llmgen.cluster.steps import Verdict, answered
from llmgen.cluster.waiting import Wait, for_good, waits
from llmgen.fleet.search import SearchedEnough, Steps

# Steps of all questions of one kind together, and of each.
STEPS, EACH = 40_000, 10_000


def fit(pool: Pool, name: str, pods: Sequence[Pod]) -> Fit:
    """What is so of the pods on these nodes."""
    possible = possibly(pool)
    certain, places = certainly(pool)
    if certain == "yes":
        possible = "yes"
    elif possible == "no":
        certain = "no"
    waiting, proved = _waiting(pool, pods) if possible != "yes" else ((), True)
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
    return Fit(pool.nodes, possible, certain, waiting, proved, may_wait, reason)


def well_placed(pool: Pool) -> list[Vector] | None:
    """What each node holds when all pods have one, if that was found."""
    try:
        return packed(pool, pool.counts, Steps(EACH))
    except SearchedEnough:
        return None


def possibly(pool: Pool) -> Verdict:
    """Whether some arrangement has all pods on nodes."""
    return answered(Steps(EACH), EACH, lambda steps: packed(pool, pool.counts, steps) is not None)


def certainly(pool: Pool) -> tuple[Verdict, list[int]]:
    """Whether no pod ever waits for good, and of which kinds one may."""
    steps, known = Steps(STEPS), list[list[Vector]]()
    found: dict[int, Verdict] = {}
    # The largest wait most easily.
    for at in sorted(
        range(len(pool.kinds)), key=lambda at: -share(pool.kinds[at].size, pool.capacity)
    ):
        found[at] = answered(steps, EACH, partial(_waits, pool, for_good(pool, at), known))
    kinds = [at for at, verdict in found.items() if verdict == "yes"]
    if kinds:
        return "no", kinds
    return "unknown" if "unknown" in found.values() else "yes", []


def _waits(pool: Pool, wait: Wait, known: list[list[Vector]], steps: Steps) -> bool:
    return waits(pool, wait, steps, known)


def _waiting(pool: Pool, pods: Sequence[Pod]) -> tuple[tuple[tuple[str, int], ...], bool]:
    """Whose pods wait at best: of pods that are alike those of the last controllers."""
    counts, proved = fewest(pool, Steps(EACH))
    left, found = list(counts), dict[str, int]()
    for pod in reversed([pod for pod in pods if pod.copies > 0]):
        at = pool.place(pod)
        if here := min(left[at], pod.copies):
            found[pod.name] = here
            left[at] -= here
    return tuple((pod.name, found[pod.name]) for pod in pods if pod.name in found), proved
