"""What LoRA adapters add: their tensors lie beside those that they change."""

from __future__ import annotations

from llmgen.budget.beside.additions import Addition
from llmgen.budget.held.weights import weights
from llmgen.budget.memory import HOST
from llmgen.budget.server.overrides import is_expert
from llmgen.budget.server.placement import LayerPlacement
from llmgen.budget.settings import ServerSettings
from llmgen.budget.shape.hyperparameters import Hyperparameters
from llmgen.budget.shape.rows import F32
from llmgen.facts.gguf_facts import GgufFacts, TensorGroup

# Each change is the product of two matrices; the second one makes rows as wide as the model's own.
_WIDENS = ".lora_b"


def adapter_memory(
    adapters: tuple[GgufFacts, ...],
    model: Hyperparameters,
    placement: LayerPlacement,
    settings: ServerSettings,
    ubatch: int,
) -> list[Addition]:
    """Exact weights on each device, and at most one more row of activations for each token.

    ``llama_adapter_lora_init`` (src/llama-adapter.cpp) allocates every tensor in the buffer of the
    tensor that it changes; ``build_lora_mm`` (src/llama-graph.cpp) adds one product to another.
    """
    found = []
    for device in (HOST, *placement.devices):
        size, widest = 0, 0
        for facts in adapters:
            own = weights(facts.tensors, model, placement, settings, nextn_loaded=True)
            size += own.total(device)
            if own.total(device):
                rows = (_row(group, model) for group in facts.tensors)
                widest = max(widest, *rows)
        if size:
            found.append(Addition("adapters", device, size, F32 * ubatch * widest))
    return found


def _row(group: TensorGroup, model: Hyperparameters) -> int:
    """Elements of the two products for one token; 0 for the first of the two matrices."""
    if _WIDENS not in group.pattern or len(group.shape) < 2:
        return 0
    used = model.header.most("expert_used_count") if is_expert(group) else 1
    return (group.shape[0] + group.shape[1]) * max(1, used)
