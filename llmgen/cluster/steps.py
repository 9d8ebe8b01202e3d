"""Searches that end: each answers yes, no, or that it looked at enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from llmgen.fleet.search.steps import SearchAllowance, SearchedEnough

Certainty: TypeAlias = Literal["yes", "no", "unknown"]


def take(steps: SearchAllowance, count: int = 1) -> None:
    """Count steps of a search; SearchedEnough when there were too many."""
    steps.left -= count
    if steps.left < 0:
        raise SearchedEnough


def answered(
    steps: SearchAllowance, most: int, ask: Callable[[SearchAllowance], bool]
) -> Certainty:
    """What a search says that takes at most so many of the steps."""
    given = max(0, min(most, steps.left))
    part = SearchAllowance(given)
    try:
        return "yes" if ask(part) else "no"
    except SearchedEnough:
        return "unknown"
    finally:
        steps.left -= given - max(0, part.left)


def both(*verdicts: Certainty) -> Certainty:
    """Yes when all are yes, no when one is no."""
    if "no" in verdicts:
        return "no"
    return "unknown" if "unknown" in verdicts else "yes"
