"""Several streams that no matrix mixes, and latent attention behind a gate (hy-v4.cpp)."""

from __future__ import annotations

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.head import conclude
from llmgen.budget.graph.hyper import (
    head_shares,
    mixes_of,
    rows_of,
    shares_of,
    weighed_sum,
    widened,
)
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.special.indexed import Indexed
from llmgen.budget.graph.special.latent import Latent
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """With an indexer if it chooses any tokens."""
    chosen = scene.model.header.count("attention.indexer.top_k")
    (IndependentIndexed if chosen else IndependentLatent)(scene, recipe).run()


class Independent(Decoder):
    """Every block reads a weighted sum of the streams, and is added to each of them."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """Make as many streams of the input."""
        super().__init__(scene, recipe)
        self.stream = widened(scene, self.stream)

    def run(self) -> None:
        """All layers, the streams as one, the last norm and logits."""
        scene = self.scene
        for layer in scene.layers:
            self.stream = scene.end(layer, self._layer(layer))
        wide = rows_of(scene, self.stream, self.rows)
        result = self._sum(wide, head_shares(scene, wide))
        result = norm(scene, "RMS_NORM", "output_norm", scene.call(result, "hc_head"))
        conclude(scene, self.recipe, result)

    def _layer(self, layer: int) -> Tensor:
        scene = self.scene
        one, post = self._narrowed(self.stream, "hc_attn", "attn_norm", layer)
        wide = self._spread(self._attention(one, layer), self.stream, post)
        scene.call(wide, "hc_attn_out", layer)
        one, post = self._narrowed(wide, "hc_ffn", "ffn_norm", layer)
        return scene.call(self._spread(self._feed(one, layer), wide, post), "l_out", layer)

    def _narrowed(self, wide: Tensor, name: str, normed: str, layer: int) -> tuple[Tensor, Tensor]:
        """What a block reads, and how much of its result each stream gets."""
        scene, b = self.scene, self.scene.b
        mixes = scene.call(mixes_of(scene, wide, f"{name}_fn", layer), "hc_mixes", layer)
        pre, post = (b.scale(share) for share in shares_of(scene, mixes, name, layer))
        one = self._sum(wide, scene.call(pre, "hc_pre", layer))
        one = scene.call(norm(scene, "RMS_NORM", normed, one, layer), normed, layer)
        return one, scene.call(b.scale(post), "hc_post_gate", layer)

    def _sum(self, wide: Tensor, shares: Tensor) -> Tensor:
        """Copied to f32 and back, which both are already."""
        b = self.scene.b
        return b.cast(weighed_sum(self.scene, b.cast(wide, "f32"), shares), "f32")

    def _spread(self, result: Tensor, wide: Tensor, shares: Tensor) -> Tensor:
        """A block's result, added to each stream; all of them copied before and behind."""
        b, (width, count, tokens, _) = self.scene.b, wide.ne
        result, shares, wide = (b.cast(part, "f32") for part in (result, shares, wide))
        parts = [
            b.add(
                b.view(wide, (width, tokens), (wide.nb[2],)),
                b.mul(result, b.view(shares, (1, tokens), (shares.nb[1],))),
            )
            for _ in range(count)
        ]
        found, *others = (b.reshape(part, width, 1, tokens) for part in parts)
        for other in others:
            found = b.concat(found, other, 1)
        return b.cast(found, "f32")

    def _latent_out(self, result: Tensor, normed: Tensor, layer: int) -> Tensor:
        """What attention adds: it passes a gate before its last product."""
        scene, b = self.scene, self.scene.b
        gate = b.unary(b.mul_mat(scene.needed("attn_gate.weight", layer), normed))
        result = scene.call(b.mul(result, gate), "attn_gated", layer)
        result = b.mul_mat(scene.needed("attn_output.weight", layer), result)
        return scene.call(result, "attn_out", layer)


class IndependentLatent(Independent, Latent):
    """Every token reads all others."""


class IndependentIndexed(Independent, Indexed):
    """Every token reads those that an indexer chooses."""
