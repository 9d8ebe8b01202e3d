"""Which kind of controller has an app's pods, by the style of [kubernetes]."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from llmgen.cluster.cluster import PodSet
from llmgen.cluster.kserve import is_text
from llmgen.config.tables.kubernetes import Style
from llmgen.engines.container import MODELS
from llmgen.plan.plan import Plan
from llmgen.plan.process import NEVER_ASKED, health
from llmgen.targets.containers.container import Container

# A Deployment, KServe's LLMInferenceService and InferenceService, a LeaderWorkerSet.
Form: TypeAlias = Literal["deployment", "llm", "predictor", "group"]

_PREDICTED: Final = ("embedding", "rerank")
# What KServe's own Deployment of an LLMInferenceService rolls out with: a quarter more, a quarter
# less, rounded up and down (apps/v1).
_QUARTER: Final = 4


def form(unit: PodSet, plan: Plan, container: Container, style: Style) -> Form:
    """The controller's kind; what KServe cannot run as it is stays a Deployment."""
    if unit.nodes > 1:
        return "group"
    if style != "kserve" or unit.kind != "model":
        return "deployment"
    model = plan.placements[0].model
    # KServe's presets have a command and probes, which stay where a container has none of its own.
    if container.own_entry or container.health is None or health(model) == NEVER_ASKED:
        return "deployment"
    if model.role in _PREDICTED:
        return "predictor"
    if is_text(model.role) and model.path.is_relative_to(MODELS):
        return "llm"
    return "deployment"


def surge_of_kserve(copies: int) -> int:
    """Pods more that have to find room before an old one goes."""
    return 1 if 0 < copies < _QUARTER else 0
