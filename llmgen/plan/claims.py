"""What an engine claims, as the estimate of one process: the planner's one form of a footprint."""

from __future__ import annotations

from llmgen.budget.memory import DeviceMemory, Estimate
from llmgen.engines.base import Served
from llmgen.engines.memory import Basis, Unfit
from llmgen.errors import PlanError
from llmgen.library import Library, Model
from llmgen.plan.pools import beside_bytes
from llmgen.resolve.engine_models import unfit_finding


def claimed(model: Model, served: Served, library: Library) -> Estimate:
    """Bytes by device with their basis; PlanError where the engine would not start."""
    room = library.machine.room(beside_bytes(library.config.gateway, library.config.apps))
    try:
        found = model.engine.claims(served, room)
    except Unfit as unfit:
        raise PlanError(unfit_finding(model, unfit)) from None
    context = model.engine.context(served)
    return Estimate(
        n_ctx=context,
        n_ctx_seq=context,
        exact=all(item.basis is Basis.RESERVED for item in found),
        memory=tuple(
            DeviceMemory(item.device, model=item.size_bytes, context=0, compute=0) for item in found
        ),
        parts=tuple(
            (item.device, item.what or item.basis.value, item.size_bytes) for item in found
        ),
        basis={item.device: item.basis for item in found},
    )
