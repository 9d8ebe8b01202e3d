"""Which loaded models may go when memory is short, and in which order; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct


class LoadedModel(Struct, frozen=True):
    """A loaded model as the guard sees it; ``idle_seconds`` None: nobody knows."""

    model: str
    state: str
    is_busy: bool
    idle_seconds: float | None


class EvictVerdict(Struct, frozen=True):
    """Why a model stays, or that it may go."""

    model: str
    may_go: bool
    why: str


def verdicts(
    found: Iterable[LoadedModel], pinned: Collection[str], min_idle: int
) -> list[EvictVerdict]:
    """All loaded models: those that may go first, the longest idle one in front."""
    known = sorted(found, key=lambda item: (-(item.idle_seconds or 0), item.model))
    judged = [_verdict(item, pinned, min_idle) for item in known]
    return sorted(judged, key=lambda item: not item.may_go)


def first(judged: Sequence[EvictVerdict]) -> str | None:
    """The model that goes; None when all stay."""
    return judged[0].model if judged and judged[0].may_go else None


def _verdict(item: LoadedModel, pinned: Collection[str], min_idle: int) -> EvictVerdict:
    if item.model in pinned:
        return EvictVerdict(item.model, may_go=False, why="pinned")
    if item.is_busy:
        return EvictVerdict(item.model, may_go=False, why="busy")
    if item.state not in ("ready", "loaded", "sleeping"):
        return EvictVerdict(item.model, may_go=False, why=item.state)
    if item.idle_seconds is None:
        return EvictVerdict(item.model, may_go=False, why="its idle time is not known")
    idle = f"idle for {item.idle_seconds:.0f} s"
    if item.idle_seconds < min_idle:
        return EvictVerdict(item.model, may_go=False, why=f"{idle}, less than {min_idle} s")
    return EvictVerdict(item.model, may_go=True, why=idle)
