"""The proof that a pool's nodes hold its pods: always, without one node, and through updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from llmgen.cluster import reasons
from llmgen.cluster.fitting import STEPS, fit, waiting_kinds
from llmgen.cluster.nodes import Nodes, Pod
from llmgen.cluster.pool_numbers import pool_of, share
from llmgen.cluster.proof import Proof, Rollout
from llmgen.cluster.rollouts import Passing, Rolling
from llmgen.fleet.search.steps import SearchAllowance


def prove(nodes: Nodes, pods: Sequence[Pod]) -> Proof:
    """What is so of the pool with these pods, whose names are all different."""
    pods = [pod for pod in pods if pod.copies > 0]
    pool = pool_of(nodes, pods)
    every, held = fit(pool, nodes.name, pods)
    lost, _ = fit(pool.smaller(), nodes.name, pods)
    if every.possible == "no":
        return Proof(nodes.name, every, lost)
    if every.certain == "no" and priorities(nodes, pods) is not None:
        every = replace(every, hint=reasons.BY_PRIORITY)
    rolling = Rolling(pool, held, every.certain, SearchAllowance(STEPS))
    return Proof(nodes.name, every, lost, *_rollouts(rolling, nodes.name, pods))


def priorities(nodes: Nodes, pods: Sequence[Pod]) -> Mapping[str, int] | None:
    """Priorities by size, the largest pods' highest, with which all find a node in every order.

    None when that is not so, or not proved.
    """
    pods = [replace(pod, priority=0) for pod in pods if pod.copies > 0]
    pool = pool_of(nodes, pods)
    kinds = sorted(pool.kinds, key=lambda kind: (share(kind.size, pool.capacity), kind.size))
    found = {name: level for level, kind in enumerate(kinds, start=1) for name in kind.names}
    changed = pool_of(nodes, [replace(pod, priority=found[pod.name]) for pod in pods])
    return found if all(waits == "no" for _, waits in waiting_kinds(changed)) else None


def _rollouts(
    rolling: Rolling, name: str, pods: Sequence[Pod]
) -> tuple[tuple[Rollout, ...], Rollout]:
    """Of each controller, and of all at once."""
    pool = rolling.pool
    kinds = [pool.place(pod) for pod in pods if pod.surge > 0]
    passing = {at: rolling.of(at) for at in dict.fromkeys(kinds)}
    found = [_rollout(rolling, name, pod, passing) for pod in pods]
    others = [pool.place(pod) for pod in pods if pod.surge <= 0]
    together = rolling.together(kinds, [passing[at] for at in kinds], others)
    return tuple(found), _all_at_once(found, together)


def _rollout(rolling: Rolling, name: str, pod: Pod, passing: Mapping[int, Passing]) -> Rollout:
    if pod.surge <= 0:
        return Rollout((pod.name,), "yes", "yes")
    at = rolling.pool.place(pod)
    possible, certain = passing[at].possible, passing[at].certain
    reason = reasons.rollout(rolling.pool, name, pod.name, possible, certain)
    hint = reasons.IN_PLACE if reason else ""
    return Rollout((pod.name,), possible, certain, rolling.preempts(at), reason, hint)


def _all_at_once(each: Sequence[Rollout], passing: Passing) -> Rollout:
    """What is so of all, and the first reason that is there."""
    possible, certain = passing.possible, passing.certain
    reason = hint = ""
    if certain != "yes":
        bad = [one for one in each if one.reason and (one.possible == "no") >= (possible == "no")]
        reason = bad[0].reason if bad else reasons.NOT_PROVED
        hint = bad[0].hint if bad else ""
    names = tuple(name for one in each for name in one.pods)
    preempts = tuple(dict.fromkeys(name for one in each for name in one.preempts))
    return Rollout(names, possible, certain, preempts, reason, hint)
