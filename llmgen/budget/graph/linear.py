"""Products with weights and norms (``build_lora_mm``, ``build_norm`` in llama-graph.cpp)."""

from __future__ import annotations

from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def linear(scene: Scene, name: str, of: Tensor, layer: int = -1) -> Tensor:
    """A weight's product, scaled if the model has a scale for it; no bias."""
    result = scene.b.mul_mat(scene.needed(f"{name}.weight", layer), of)
    scale = scene.weight(f"{name}.scale", layer)
    return scene.b.mul(result, scale) if scale else result


def biased(scene: Scene, name: str, of: Tensor, layer: int = -1) -> Tensor:
    """The same, and the bias if there is one."""
    result = linear(scene, name, of, layer)
    bias = scene.weight(f"{name}.bias", layer)
    return scene.b.add(result, bias) if bias else result


def norm(
    scene: Scene, op: str, name: str, of: Tensor, layer: int = -1, *, of_layer: bool = True
) -> Tensor:
    """``op`` is RMS_NORM or NORM; weight and bias come behind it if the model has them.

    Those of the input are no tensors ``of_layer``, but called by the first one.
    """
    own = layer if of_layer else -1
    # Some loaders call a norm by a name without a suffix.
    weight = scene.weight(f"{name}.weight", own) or scene.weight(name, own) if name else None
    bias = scene.weight(f"{name}.bias", own) if name else None
    result = scene.b.each(op, of)
    if weight or bias:
        scene.call(result, "norm", layer)
    if weight:
        result = scene.b.mul(result, weight)
        if bias:
            scene.call(result, "norm_w", layer)
    return scene.b.add(result, bias) if bias else result
