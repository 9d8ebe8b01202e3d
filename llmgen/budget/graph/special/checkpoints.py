"""Attention over the streams that entered earlier layers, in front of each block (kimi-k3.cpp)."""

from __future__ import annotations

from llmgen.budget.graph.head import conclude
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.special.bounded import Bounded
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """Delta and latent attention, the first layer of each block kept for all later ones."""
    Checkpoints(scene, recipe).run()


class Checkpoints(Bounded):
    """``kept`` are the streams in front of each ``block`` layers, behind one another."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """Nothing is kept yet."""
        super().__init__(scene, recipe)
        self.block = scene.model.header.count("attn_res.block_size")
        self.kept: Tensor | None = None

    def run(self) -> None:
        """All layers, of every token; rows of outputs are taken behind the last mix."""
        scene, recipe, b = self.scene, self.recipe, self.scene.b
        for layer in scene.layers:
            self.stream = scene.end(layer, self._layer(layer))
        score = scene.needed("output_res_score.weight") if self.block else None
        result = b.get_rows(self._mix(self.stream, score, -1), self.rows)
        conclude(scene, recipe, norm(scene, recipe.norm, recipe.output_norm, result))

    def _layer(self, layer: int) -> Tensor:
        scene, recipe, b, stream = self.scene, self.recipe, self.scene.b, self.stream
        mixed = self._mix(stream, scene.weight("attn_res_score.weight", layer), layer)
        starts = self.block > 0 and layer % self.block == 0
        if starts:
            self._keep(stream)
        normed = b.expand(norm(scene, recipe.norm, "attn_norm", mixed, layer))
        scene.call(normed, "attn_norm", layer)
        added = self._mixed(normed, layer)
        stream = added if starts else b.add(stream, added)
        scene.call(stream, "prefix_sum_attn", layer)
        mixed = self._mix(stream, scene.weight("ffn_res_score.weight", layer), layer)
        result = self._feed(self._fed(mixed, layer), layer)
        scene.call(result, "ffn_out", layer)
        return scene.call(b.add(stream, result), "l_out", layer)

    def _keep(self, stream: Tensor) -> None:
        b, scene = self.scene.b, self.scene
        rows = b.reshape(stream, scene.embedding, 1, scene.tokens)
        self.kept = b.concat(self.kept, rows, 1) if self.kept else rows

    def _mix(self, stream: Tensor, score: Tensor | None, layer: int) -> Tensor:
        """The streams that were kept and this one, each times its share."""
        scene, b, kept = self.scene, self.scene.b, self.kept
        if kept is None or score is None:
            return stream
        count = kept.ne[1]
        scores, own = (
            b.sum_rows(b.mul(b.each("RMS_NORM", part), score)) for part in (kept, stream)
        )
        scores = b.concat(b.reshape(scores, count, scene.tokens), own, 0)
        shares = scene.call(b.softmax(scores), "res_probs", layer)
        row = (shares.nb[1],)
        of_kept, of_own = (
            b.cont(b.view(shares, (width, scene.tokens), row)) for width in (count, 1)
        )
        result = b.made("DSV4_HC_PRE", "f32", (scene.embedding, scene.tokens), kept, of_kept)
        return b.add(result, b.mul(stream, of_own))

    def _latent_out(self, result: Tensor, normed: Tensor, layer: int) -> Tensor:
        """A gate for each element in front of the last product, if the model has one."""
        scene, b = self.scene, self.scene.b
        if scene.weight("attn_gate.weight", layer):
            gate = b.unary(self._product("attn_gate", normed, layer))
            result = scene.call(b.mul(result, gate), "mla_gated", layer)
        return scene.call(self._product("attn_output", result, layer), "mla_out", layer)
