"""Several residual streams beside one another, and tokens that an indexer chooses, in general.

For architectures without a recipe of their own: streams are mixed into one in front of each block,
and what it makes is added to all of them (``hyper_connection.count``; qwen4exp.cpp, b11065).
"""

from __future__ import annotations

from llmgen.budget.graph.choices import choose
from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.head import finish
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.special.kimi import Kimi
from llmgen.budget.graph.special.latent import Latent
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """With the attention that the model's tensors are for."""
    if scene.model.header.count("kda.head_dim"):
        WideKimi(scene, recipe).run()
    elif scene.weight("attn_kv_a_mqa.weight", 0):
        WideLatent(scene, recipe).run()
    else:
        Wide(scene, recipe).run()


class Wide(Decoder):
    """``count`` streams; each indexed layer chooses by itself."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """Make as many streams of the input."""
        super().__init__(scene, recipe)
        self.count = max(1, scene.model.header.count("hyper_connection.count"))
        if self.count > 1:
            b, ne = scene.b, (scene.embedding, self.count, scene.tokens)
            rows = b.reshape(self.stream, scene.embedding, 1, scene.tokens)
            self.stream = b.expand(scene.call(b.repeat(rows, *ne), "hc_init"))

    def run(self) -> None:
        """All layers, the streams as one, then the output."""
        scene, b = self.scene, self.scene.b
        for layer in scene.layers:
            self.stream = scene.end(layer, self._layer(layer))
        result = self.stream
        if self.count > 1:  # most take the rows of outputs behind the last layer
            flat = b.reshape(result, scene.embedding * self.count, scene.tokens)
            result = b.get_rows(flat, self.rows)
            result = b.reshape(result, scene.embedding, self.count, scene.outputs)
            result = self._narrowed(result, "output_hc", -1)[0]
        finish(scene, self.recipe, result, self.rows)

    def _layer(self, layer: int) -> Tensor:
        if self.count == 1:
            return super()._layer(layer)
        scene, b, recipe, wide = self.scene, self.scene.b, self.recipe, self.stream
        mixed, shares = self._narrowed(wide, "hc_attn", layer)
        mixed = self._normed(mixed, "attn_norm", layer)
        added = self._mixed(b.expand(mixed), layer)
        wide = self._widened(wide, added, shares, layer)
        mixed, shares = self._narrowed(wide, "hc_ffn", layer)
        result = self._feed(self._normed(mixed, recipe.feed_norm, layer), layer)
        return scene.call(self._widened(wide, result, shares, layer), "l_last", layer)

    def _normed(self, of: Tensor, name: str, layer: int) -> Tensor:
        if not self.scene.weight(f"{name}.weight", layer):
            return of
        return norm(self.scene, self.recipe.norm, name, of, layer)

    def _narrowed(self, wide: Tensor, name: str, layer: int) -> tuple[Tensor, Tensor]:
        """One stream of several, and how much of a block's result each of them gets."""
        scene, b = self.scene, self.scene.b
        width, count, tokens = wide.ne[:3]
        normed = norm(scene, "RMS_NORM", f"{name}_norm", wide, layer)
        flat = scene.call(b.reshape(normed, width * count, tokens), "hc_norm", layer)
        if inject := scene.weight(f"{name}_inject.weight", layer):
            shares = b.mul_mat(inject, flat)
        else:
            shares = b.made("MUL_MAT", "f32", (count, tokens), flat)
        if (down := scene.weight(f"{name}_down.weight", layer)) and (
            up := scene.weight(f"{name}_up.weight", layer)
        ):
            gate = b.mul_mat(up, b.unary(b.scale(b.mul_mat(down, flat))))
            gates = b.reshape(b.unary(scene.call(gate, "hc_gate", layer)), *wide.ne[:3])
            mixed = b.mul(b.reshape(flat, *wide.ne[:3]), gates)
        else:
            mixed = b.mul(wide, b.reshape(b.unary(shares), 1, count, tokens))
        parts = [b.view(mixed, (width, tokens), (mixed.nb[2],)) for _ in range(count)]
        result = b.cont(parts[0])
        for part in parts[1:]:
            result = b.add(result, part)
        return scene.call(result, "hc_mixed", layer), shares

    def _widened(self, wide: Tensor, added: Tensor, shares: Tensor, layer: int) -> Tensor:
        """What a block makes, added to every stream."""
        b, (width, count, tokens) = self.scene.b, wide.ne[:3]
        shares = b.reshape(b.unary(b.scale(shares)), 1, count, tokens)
        rows = b.repeat(b.reshape(added, width, 1, tokens), width, count, tokens)
        return self.scene.call(b.add(wide, b.mul(rows, shares)), "hc_combine", layer)

    def _mixed(self, source: Tensor, layer: int) -> Tensor:
        if not self.scene.model.recurrent[layer]:
            mask = self.caches.full.mask
            choose(self.scene, mask, source, self.positions, layer)
        return super()._mixed(source, layer)


class WideLatent(Wide, Latent):
    """The same with latent attention."""


class WideKimi(Wide, Kimi):
    """The same with delta attention, too."""
