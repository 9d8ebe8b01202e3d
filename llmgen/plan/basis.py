"""Where the numbers of a plan are from: which models, and which sums, rest on what was declared."""

from __future__ import annotations

from llmgen.budget.memory import Estimate
from llmgen.engines.memory import Basis
from llmgen.plan.plan import Placement, Plan


def basis_of(estimate: Estimate, device: str) -> Basis:
    """How the bytes of a device are known."""
    return estimate.basis.get(device, Basis.COMPUTED)


def basis_words(estimate: Estimate) -> str:
    """The same of a whole model; empty where all of it is computed."""
    kinds = {*estimate.basis.values()}
    if len(kinds) == 1:
        return next(iter(kinds)).value
    return ", ".join(f"{device} {basis.value}" for device, basis in estimate.basis.items())


def declared(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Pools whose worst sum has numbers that llm.toml declares, with those models."""
    placed = {item.name: item for item in plan.placements}
    found = {
        room.pool.name: tuple(
            name for name in room.state if _declares(placed[name], room.pool.views)
        )
        for room in plan.headroom
    }
    return {pool: names for pool, names in found.items() if names}


def _declares(item: Placement, views: tuple[str, ...]) -> bool:
    return any(basis_of(item.estimate, view) is Basis.DECLARED for view in views)


def resting(plan: Plan) -> str:
    """A sentence on it; empty where every sum is computed, reserved or measured."""
    found = declared(plan)
    told = (f"{pool} on {', '.join(names)}" for pool, names in found.items())
    return f"Sums that rest on declared numbers: {'; '.join(told)}" if found else ""
