"""Feed-forward blocks and experts (``build_ffn``, ``build_moe_ffn`` in llama-graph.cpp)."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.builds import Rule
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor

# How a hidden row is made: gate and up in one operation, one product with both halves, or up alone
# behind one function or two; or one of the first three, as the matrices are.
PARALLEL: Final = "gate beside up"
HALVES: Final = "both halves"
ALONE: Final = "up alone"
SQUARED: Final = "up squared"
BENT: Final = "gate beside up, each within bounds"
BY_WEIGHTS: Final = "as the matrices are: a gate, up with both halves, or up alone"

_SIGMOID: Final = 2
_SQRT_SOFTPLUS: Final = 4
_SCORES: Final = {_SIGMOID: "sigmoid", _SQRT_SOFTPLUS: "softplus"}
# The smallest limit of hidden rows that the program takes for one.
_LEAST_LIMIT: Final = 1e-6


def feed_forward(
    scene: Scene,
    of: Tensor,
    layer: int,
    kind: str = PARALLEL,
    suffix: str = "",
    *,
    scales: bool = False,
    biases: bool = True,
    inner: str = "",
    limit: str = "",
) -> Tensor:
    """Up (and gate) and down; biases and scales if the model has them and reads those.

    ``inner`` is the tensor of a norm in front of down, ``limit`` the key of limits of the hidden
    row.
    """
    b = scene.b

    def part(name: str, source: Tensor) -> Tensor:
        weight = f"ffn_{name}{suffix}"
        result = b.mul_mat(scene.needed(f"{weight}.weight", layer), source)
        scene.call(result, f"ffn_{name}", layer)
        bias = scene.weight(f"{weight}.bias", layer) if biases else None
        if bias is not None:
            result = scene.call(b.add(result, bias), f"ffn_{name}_b", layer)
        scale = scene.weight(f"{weight}.scale", layer) if scales else None
        if scale is not None:
            result = scene.call(b.mul(result, scale), f"ffn_{name}_s", layer)
        return result

    kind = _found_kind(scene, layer) if kind == BY_WEIGHTS else kind
    if kind == BENT:
        gate, up = part("gate", of), part("up", of)
        return part("down", bent(scene, gate, up))
    if kind == PARALLEL and not scene.weight(f"ffn_gate{suffix}.weight", layer):
        kind = ALONE
    up = part("up", of)
    if kind == PARALLEL:
        gate = part("gate", of)
        hidden = gated(scene, gate, up, layer, limit)
    elif kind == HALVES:
        hidden = scene.call(b.glu(up), "ffn_swiglu", layer)
    else:
        hidden = scene.call(b.unary(up), "ffn_act", layer)
        if scales_of := scene.weight("ffn.act.scales", layer):
            hidden = b.each("DIV", hidden, scales_of)
        if kind == SQUARED:
            hidden = scene.call(b.each("SQR", hidden), "ffn_sqr(relu)", layer)
    if inner:
        hidden = scene.call(norm(scene, "RMS_NORM", inner, hidden, layer), inner, layer)
    return part("down", hidden)


def gated(  # noqa: PLR0917 - what it multiplies, where, and how
    scene: Scene, gate: Tensor, up: Tensor, layer: int, limit: str, name: str = "ffn"
) -> Tensor:
    """What passes a gate; limited on both sides where the header has a limit for the layer."""
    b, limits = scene.b, scene.model.header.values.get(limit) if limit else None
    most = limits[layer] if isinstance(limits, tuple) else limits
    if not isinstance(most, int | float) or most <= _LEAST_LIMIT:
        return scene.call(b.glu(gate, up), f"{name}_swiglu", layer)
    up = scene.call(scene.clamp(up), f"{name}_up_clamped", layer)
    gate = scene.call(b.unary(gate), f"{name}_silu", layer)
    gate = scene.call(scene.clamp(gate), f"{name}_silu_clamped", layer)
    return scene.call(b.mul(gate, up), f"{name}_swiglu_limited", layer)


def bent(scene: Scene, gate: Tensor, up: Tensor) -> Tensor:
    """What passes a gate, both of them bent by a hyperbolic tangent (``kimi_k3_situ``)."""
    b = scene.b
    result = b.mul(b.scale(b.unary(b.scale(gate))), b.unary(gate))
    bound = scene.model.header.values.get("activation.situ_linear_beta")
    if isinstance(bound, int | float) and bound > 0:
        up = b.scale(b.unary(b.scale(up)))
    return b.mul(result, up)


def _found_kind(scene: Scene, layer: int) -> str:
    if scene.weight("ffn_gate.weight", layer):
        return PARALLEL
    up, down = (scene.needed(f"ffn_{name}.weight", layer) for name in ("up", "down"))
    return ALONE if up.ne[1] == down.ne[0] else HALVES


class Experts(Struct, frozen=True):
    """How experts are chosen and weighed.

    ``score`` is what their probabilities are: ``softmax``, ``sigmoid``, ``none`` (softmax of the
    weights of the chosen ones), ``header`` (what it says, ``softmax``, ``sigmoid`` or the
    root of a softplus; else the first) or ``header or sigmoid`` (else the second).
    ``normed`` divides the weights by their sum: True, False, or as the header says (None).
    ``scaled`` multiplies them by a number if the header has one. ``early`` weighs the input
    instead of the output. ``scales`` reads a scale of each expert's matrices. ``limit`` is the key
    of limits of their hidden rows, in operations of their own.
    """

    score: str = "softmax"
    normed: bool | None = True
    scaled: bool = False
    early: bool = False
    scales: bool = False
    kind: str = PARALLEL
    limit: str = ""


def latent_experts(scene: Scene, of: Tensor, layer: int, how: Experts) -> Tensor:
    """Experts that read a shorter row, if the model has a product for it; not so the router."""
    b = scene.b
    stem = "ffn_routed" if scene.weight("ffn_routed_down.weight", layer) else "ffn_latent"
    down, up = (scene.weight(f"{stem}_{part}.weight", layer) for part in ("down", "up"))
    rows = b.mul_mat(down, of) if down else of
    result = experts(scene, of, layer, how, rows)
    if scene.weight(f"{stem}_norm.weight", layer):
        result = norm(scene, "RMS_NORM", f"{stem}_norm", result, layer)
    return b.mul_mat(up, result) if up else result


def experts(  # noqa: PLR0917 - as build_moe_ffn
    scene: Scene,
    router: Tensor,
    layer: int,
    how: Experts,
    of: Tensor | None = None,
    logits: Tensor | None = None,
) -> Tensor:
    """The weighted sum of the chosen experts' outputs; ``of``: what they read, or the router's.

    ``logits`` are there where the router reads something else than its experts, in its own way.
    """
    of = router if of is None else of
    b = scene.b
    used = scene.model.header.most("expert_used_count")
    if logits is None:
        logits = linear(scene, "ffn_gate_inp", router, layer)
    chosen, weights = _chosen(scene, logits, layer, how, used)
    return mixed(scene, of, chosen, b.expand(weights), layer, how)


def mixed(  # noqa: PLR0917 - as build_moe_ffn
    scene: Scene,
    of: Tensor,
    chosen: Tensor,
    weights: Tensor,
    layer: int,
    how: Experts,
    name: str = "exps",
) -> Tensor:
    """The weighted sum of what chosen experts make."""
    b, used, tokens = scene.b, chosen.ne[0], of.ne[1]
    rows = b.reshape(of, of.ne[0], 1, tokens)
    if how.early:
        rows = b.mul(b.repeat(rows, of.ne[0], used, tokens), weights)
        scene.call(rows, "ffn_moe_weighted", layer)
    hidden = _hidden(scene, rows, chosen, layer, how, name)
    outputs = _each(scene, f"down_{name}", hidden, chosen, layer, how=how)
    if not how.early:
        outputs = scene.call(b.mul(outputs, weights), "ffn_moe_weighted", layer)
    b.expand(outputs)
    ne, nb = (of.ne[0], tokens), (outputs.nb[2],)
    parts = [b.expand(b.view(outputs, ne, nb)) for _ in range(used)]
    result = parts[0]
    for part in parts[1:]:
        result = b.expand(b.add(result, part))
    return scene.call(b.cont(result) if used == 1 else result, "ffn_moe_out", layer)


def _chosen(
    scene: Scene, logits: Tensor, layer: int, how: Experts, used: int
) -> tuple[Tensor, Tensor]:
    """Which experts each token takes, and how much of each."""
    b, header = scene.b, scene.model.header
    if scene.follows(Rule.EXPERTS_BY_HEADER):
        how = replace(how, score="header", normed=None)
    scene.call(logits, "ffn_moe_logits", layer)
    if bias := scene.weight("ffn_gate_inp.bias", layer):
        logits = scene.call(b.add(logits, bias), "ffn_moe_logits_biased", layer)
    score = how.score
    if score.startswith("header"):
        usual = _SIGMOID if score == "header or sigmoid" else 0
        found = header.count("expert_gating_func") or usual
        score = _SCORES.get(found, "softmax")
    scores = logits
    if score == "softplus":
        scores = sqrt_softplus(scene, logits, layer)
    elif score != "none":
        scores = b.softmax(logits) if score == "softmax" else b.unary(logits)
        scene.call(scores, "ffn_moe_probs", layer)
    choice = scores
    if bias := scene.weight("exp_probs_b.bias", layer) or scene.weight("exp_probs_b", layer):
        choice = scene.call(b.add(scores, bias), "ffn_moe_probs_biased", layer)
    if how.early:
        choice = logits
    choice = _grouped(scene, choice, layer)
    chosen = b.argsort_top_k(choice, used)
    scene.call(chosen.sources[0], "ffn_moe_argsort", layer)
    scene.call(chosen, "ffn_moe_topk", layer)
    return chosen, weighed(scene, scores, chosen, layer, how)


def sqrt_softplus(scene: Scene, logits: Tensor, layer: int) -> Tensor:
    """Scores of experts: the root of a smooth maximum with zero."""
    scores = scene.b.each("SQRT", scene.b.unary(logits))
    return scene.call(scores, "ffn_moe_probs", layer)


def weighed(scene: Scene, scores: Tensor, chosen: Tensor, layer: int, how: Experts) -> Tensor:
    """How much of each chosen expert a token takes."""
    b, header, used = scene.b, scene.model.header, chosen.ne[0]
    every, tokens = scores.ne[:2]
    weights = b.get_rows(b.reshape(scores, 1, every, tokens), chosen)
    scene.call(weights, "ffn_moe_weights", layer)
    if how.score == "none":
        weights = b.softmax(b.reshape(weights, used, tokens))
        weights = b.reshape(weights, 1, used, tokens)
    if header.values.get("expert_weights_norm") if how.normed is None else how.normed:
        weights = b.reshape(weights, used, tokens)
        total = scene.call(b.sum_rows(weights), "ffn_moe_weights_sum", layer)
        total = scene.call(scene.clamp(total), "ffn_moe_weights_sum_clamped", layer)
        weights = scene.call(b.each("DIV", weights, total), "ffn_moe_weights_norm", layer)
        weights = b.reshape(weights, 1, used, tokens)
    if how.scaled and header.values.get("expert_weights_scale") not in (None, 0, 0.0, 1, 1.0):
        weights = scene.call(b.scale(weights), "ffn_moe_weights_scaled", layer)
    return weights


def _grouped(scene: Scene, choice: Tensor, layer: int) -> Tensor:
    """Experts of the best groups alone, where the header has groups."""
    b, header = scene.b, scene.model.header
    groups = header.count("expert_group_count")
    if groups <= 1:
        return choice
    every, tokens = choice.ne[0], choice.ne[1]
    each = every // groups
    by_group = b.reshape(choice, each, groups, tokens)
    best = b.argsort_top_k(by_group, 2)
    best = b.get_rows(b.reshape(by_group, 1, each, groups, tokens), best)
    best = b.sum_rows(b.reshape(best, best.ne[1], best.ne[2], best.ne[3]))
    best = b.reshape(best, best.ne[1], best.ne[2])
    kept = b.argsort_top_k(best, header.count("expert_group_used_count"))
    scene.call(kept, "ffn_moe_group_topk", layer)
    rows = b.get_rows(by_group, kept)
    rows = b.set_rows(b.each("FILL", by_group), rows, kept)
    return scene.call(b.reshape(rows, every, tokens), "ffn_moe_probs_masked", layer)


def _hidden(  # noqa: PLR0917 - as build_moe_ffn
    scene: Scene, rows: Tensor, chosen: Tensor, layer: int, how: Experts, name: str
) -> Tensor:
    b = scene.b
    if scene.weight(f"ffn_gate_up_{name}.weight", layer):
        both = _each(scene, f"gate_up_{name}", rows, chosen, layer, how=how)
        ne, nb = (both.ne[0] // 2, *both.ne[1:3]), both.nb[1:3]
        gate, up = b.view(both, ne, nb), b.view(both, ne, nb)
        return scene.call(b.glu(gate, up), "ffn_moe_swiglu", layer)
    up = _each(scene, f"up_{name}", rows, chosen, layer, how=how)
    if scene.weight(f"ffn_gate_{name}.weight", layer):
        gate = _each(scene, f"gate_{name}", rows, chosen, layer, how=how)
        if how.kind == BENT:
            return scene.call(bent(scene, gate, up), "ffn_moe_situ", layer)
        return gated(scene, gate, up, layer, how.limit, "ffn_moe")
    hidden = b.unary(up)
    return b.each("SQR", hidden) if how.kind == SQUARED else hidden


def _each(
    scene: Scene, name: str, rows: Tensor, chosen: Tensor, layer: int, *, how: Experts
) -> Tensor:
    """A product with the matrices of the chosen experts, scaled and biased if the model is."""
    b, said = scene.b, name.rpartition("_")[0]
    result = b.mul_mat_id(scene.needed(f"ffn_{name}.weight", layer), rows, chosen)
    scene.call(result, f"ffn_moe_{said}", layer)
    scale = scene.weight(f"ffn_{name}.scale", layer) if how.scales else None
    if scale is not None:
        every = scale.ne[0]
        repeated = b.repeat(b.reshape(scale, 1, every, 1), 1, every, chosen.ne[1], 1)
        result = b.mul(result, b.get_rows(repeated, chosen))
    if bias := scene.weight(f"ffn_{name}.bias", layer):
        result = b.each("ADD_ID", result, bias, chosen)
        scene.call(result, f"ffn_moe_{said}_biased", layer)
    return result
