"""Which loaded models may go when memory is short, and in which order; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct


class Candidate(Struct, frozen=True):
    """A loaded model as the guard sees it; ``idle_seconds`` None: nobody knows."""

    model: str
    state: str
    is_busy: bool
    idle_seconds: float | None


class Verdict(Struct, frozen=True):
    """Why a model stays, or that it may go."""

    model: str
    may_go: bool
    why: str


def verdicts(found: Iterable[Candidate], pinned: Collection[str], min_idle: int) -> list[Verdict]:
    """All loaded models: those that may go first, the longest idle one in front."""
    known = sorted(found, key=lambda item: (-(item.idle_seconds or 0), item.model))
    judged = [_verdict(item, pinned, min_idle) for item in known]
    return sorted(judged, key=lambda item: not item.may_go)


def first(judged: Sequence[Verdict]) -> str | None:
    """The model that goes; None when all stay."""
    return judged[0].model if judged and judged[0].may_go else None


def _verdict(item: Candidate, pinned: Collection[str], min_idle: int) -> Verdict:
    if item.model in pinned:
        return Verdict(item.model, may_go=False, why="pinned")
    if item.is_busy:
        return Verdict(item.model, may_go=False, why="busy")
    if item.state not in ("ready", "loaded", "sleeping"):
        return Verdict(item.model, may_go=False, why=item.state)
    if item.idle_seconds is None:
        return Verdict(item.model, may_go=False, why="its idle time is not known")
    idle = f"idle for {item.idle_seconds:.0f} s"
    if item.idle_seconds < min_idle:
        return Verdict(item.model, may_go=False, why=f"{idle}, less than {min_idle} s")
    return Verdict(item.model, may_go=True, why=idle)
