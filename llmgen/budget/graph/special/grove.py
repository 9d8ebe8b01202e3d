"""Experts twice: each by itself, then in groups that share one (``src/models/grovemoe.cpp``)."""

from __future__ import annotations

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.feedforward import mixed, weighed
from llmgen.budget.graph.linear import linear
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """A decoder with two kinds of experts in its layers."""
    Grove(scene, recipe).run()


class Grove(Decoder):
    """Both are chosen by the same scores."""

    def _feed(self, normed: Tensor, layer: int) -> Tensor:
        scene, b, header = self.scene, self.scene.b, self.scene.model.header
        logits = linear(scene, "ffn_gate_inp", normed, layer)
        scene.call(logits, "ffn_moe_logits", layer)
        used = header.most("expert_used_count")
        chosen, weights = self._chosen(logits, used, layer, shared=False)
        each = mixed(scene, normed, chosen, weights, layer, self.recipe.experts)
        count = header.count("expert_count") // header.count("experts_per_group", 1)
        shared = count != header.count("expert_count")
        chosen, weights = self._chosen(logits, min(used, count), layer, shared=shared)
        groups = mixed(scene, each, chosen, weights, layer, self.recipe.experts, "chexps")
        scene.call(groups, "ffn_adj_moe_out", layer)
        return scene.call(b.add(each, b.scale(groups)), "ffn_final_moe_out", layer)

    def _chosen(
        self, logits: Tensor, used: int, layer: int, *, shared: bool
    ) -> tuple[Tensor, Tensor]:
        """The best by another function of the scores; places of ``shared`` ones are divided."""
        scene, b = self.scene, self.scene.b
        scores = scene.call(b.softmax(logits), "ffn_moe_probs", layer)
        chosen = b.argsort_top_k(b.unary(logits), used)
        if shared:
            chosen = b.cast(b.scale(b.cast(chosen, "f32")), "i32")
        weights = weighed(scene, scores, chosen, layer, self.recipe.experts)
        return chosen, scene.b.expand(weights)
