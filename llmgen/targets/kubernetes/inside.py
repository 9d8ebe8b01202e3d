"""Every unit's plan as its containers see it."""

from __future__ import annotations

from msgspec.structs import replace

from llmgen.cluster.model import Cluster, Unit
from llmgen.errors import Diagnostic, PlanError
from llmgen.plan.model import Plan
from llmgen.targets.containers.derive import of_contained
from llmgen.targets.containers.inside import contained
from llmgen.targets.containers.model import Container
from llmgen.targets.containers.refused import refusals
from llmgen.targets.kubernetes.names import FILES


def inner(unit: Unit) -> Plan:
    """The plan with the paths, programs and addresses of its pods.

    PlanError when something of it cannot run in a container.
    """
    if refused := [*map(_told, refusals(unit.plan))]:
        raise PlanError(refused)
    return contained(unit.plan, FILES)


def _told(item: Diagnostic) -> Diagnostic:
    """The same of a cluster, where it has another way out."""
    if item.code != "containers.no-metal":
        return item
    return replace(
        item,
        message="Metal is for programs of a Mac itself, and no node of a cluster is one",
        key=("kubernetes", "pools"),
        hint='nodes with other devices: `hardware = { profile = "nvidia-24gb" }` in '
        "[kubernetes.pools.NAME]",
    )


def containers(plan: Plan) -> tuple[Container, ...]:
    """What runs in pods of a plan: one program, or of a gateway each one in pods of its own."""
    return of_contained(plan, checked=False)


def of_gateway(cluster: Cluster, unit: Unit) -> Plan:
    """The gateway's plan with the always-on servers, reached under the names of their Services."""
    own = inner(unit)
    plans = [inner(item) for item in cluster.serving if item.kind == "model"]
    placed = tuple(item for plan in plans for item in plan.placements)
    models = tuple(item.model for item in placed)
    return replace(own, library=replace(own.library, models=models), placements=placed)
