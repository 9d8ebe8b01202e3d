"""Experts beside a dense feed-forward (``src/models/grok.cpp``, ``arctic.cpp``)."""

from __future__ import annotations

from msgspec.structs import replace

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.feedforward import experts, feed_forward
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor

_LATE_NORM = "layer_output_norm"
_EARLY_NORM = "ffn_norm_exps"


def describe(scene: Scene, recipe: Recipe) -> None:
    """Experts that read the stream in front of attention, or what the feed-forward reads."""
    if scene.weight(f"{_EARLY_NORM}.weight", 0):
        Early(scene, recipe).run()
        return
    if scene.weight(f"{_LATE_NORM}.weight", 0):
        recipe = replace(recipe, post=(recipe.post[0], _LATE_NORM))
    if scene.model.header.values.get("embedding_scale") == 0:
        recipe = replace(recipe, scaled="")
    if not scene.model.header.values.get("final_logit_softcapping"):
        recipe = replace(recipe, logits=recipe.logits[:1])
    Late(scene, recipe).run()


class Late(Decoder):
    """The sum of both is multiplied."""

    def _feed(self, normed: Tensor, layer: int) -> Tensor:
        scene, b = self.scene, self.scene.b
        routed = experts(scene, normed, layer, self.recipe.experts)
        if not scene.weight("ffn_up.weight", layer):
            return routed
        dense = feed_forward(scene, normed, layer, biases=False)
        scene.call(dense, "ffn_out", layer)
        return scene.call(b.scale(b.add(dense, routed)), "ffn_out", layer)


class Early(Decoder):
    """Experts have a norm of their own."""

    def _behind(self, stream: Tensor, normed: Tensor, added: Tensor, layer: int) -> Tensor:
        del normed
        scene, b = self.scene, self.scene.b
        inner = scene.call(b.add(added, stream), "ffn_inp", layer)
        dense = feed_forward(scene, self._fed(inner, layer), layer, biases=False)
        dense = scene.call(b.add(scene.call(dense, "ffn_out", layer), inner), "ffn_out", layer)
        early = norm(scene, "RMS_NORM", _EARLY_NORM, stream, layer)
        scene.call(early, _EARLY_NORM, layer)
        return b.add(experts(scene, early, layer, self.recipe.experts), dense)
