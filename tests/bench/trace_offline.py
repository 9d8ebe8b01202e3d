"""The least that any eviction could load, knowing every request beforehand.

Belady's rule is best for equal sizes only, so this is the optimum itself: the cheapest way through
the trace, state by state. A state is what is loaded; nothing is loaded before it is asked for, and
what leaves does so only when a load needs the room, which loses nothing. So after each load the
possible states are the subsets that still fit; of two states, one that holds more for less is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmgen.plan.stack import Stack

State = frozenset[str]


def offline(requests: Sequence[str], stack: Stack, files: Mapping[str, float]) -> float:
    """The fewest GiB that serve the requests in order."""
    best: dict[State, float] = {frozenset(): 0.0}
    previous = ""
    for name in requests:
        if name == previous:
            continue
        previous = name
        following: dict[State, float] = {}
        for state, cost in best.items():
            if name in state:
                _keep(following, state, cost)
                continue
            for kept in _largest(stack, state, name):
                _keep(following, kept | {name}, cost + files[name])
        best = _undominated(following)
    return min(best.values())


def _keep(states: dict[State, float], state: State, cost: float) -> None:
    if cost < states.get(state, float("inf")):
        states[state] = cost


_KNOWN: dict[tuple[State, str], list[State]] = {}


def _largest(stack: Stack, state: State, name: str) -> list[State]:
    """The largest parts of a state beside which the model fits."""
    key = (state, name)
    if key not in _KNOWN:
        found: list[State] = []
        parts = [state]
        while parts:
            part = parts.pop(0)
            if any(part <= other for other in found):
                continue
            if stack.allows(part | {name}):
                found.append(part)
            else:
                parts += [part - {other} for other in part if part - {other} not in parts]
        _KNOWN[key] = found
    return _KNOWN[key]


def _undominated(states: dict[State, float]) -> dict[State, float]:
    ranked = sorted(states.items(), key=lambda item: (item[1], -len(item[0]), sorted(item[0])))
    kept: dict[State, float] = {}
    for state, cost in ranked:
        if not any(state <= other for other in kept):
            kept[state] = cost
    return kept
