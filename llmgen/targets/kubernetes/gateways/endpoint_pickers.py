"""Which models have an endpoint picker, where it answers, and what its pod asks of a node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from llmgen.targets.kubernetes.names import short
from llmgen.units import MIB

if TYPE_CHECKING:
    from llmgen.targets.kubernetes.scene import App, ClusterScene

# Where it answers gateways.
PORT: Final = 9002
MEMORY_BYTES: Final = 512 * MIB
CPU_MILLIS: Final = 250


def picks(scene: ClusterScene) -> bool:
    """Whether the gateway is one that asks pickers."""
    return scene.table.gateway == "inference-extension"


def pooled(scene: ClusterScene) -> Iterator[App]:
    """The models whose pods are an InferencePool."""
    if picks(scene):
        yield from (app for app in scene.serving if _is_pooled(app))


def _is_pooled(app: App) -> bool:
    """Of one pod there is nothing to pick; the picker reads requests for texts alone."""
    text = {"chat", "vision", "completion"} & {*app.plan.placements[0].model.serves}
    return app.unit.kind == "model" and app.unit.copies > 1 and bool(text)


def name_of(app: App) -> str:
    """What everything of its picker is called."""
    return short(f"{app.name}-picker")
