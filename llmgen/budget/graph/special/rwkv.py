"""Layers that read the token before (``src/models/rwkv6.cpp``, ``rwkv7.cpp``, ``arwkv7.cpp``)."""

from __future__ import annotations

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.mixers.wkv import Mix, channel_mix, time_mix6, time_mix7
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """With a channel mix behind the time mix, or a feed-forward."""
    both = scene.weight("channel_mix_key.weight", 0) is not None
    (Shifted if both else Fed)(scene, recipe).run()


class Shifted(Decoder):
    """``first`` are values of the first layer (RWKV 7)."""

    first: Tensor | None = None

    def _apart(self, of: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """The stream by slots, and the last tokens of the batch before."""
        scene, b = self.scene, self.scene.b
        stream = b.reshape(of, scene.embedding, self.states.each, scene.slots)
        shift = self.states.load("r", layer)
        count = shift.ne[0] // scene.embedding
        return stream, b.reshape(shift, scene.embedding, count, scene.slots)

    def _before(self, shift: Tensor, of: Tensor) -> Tensor:
        """For each token the one before it."""
        scene, b = self.scene, self.scene.b
        ne = (scene.embedding, self.states.each - 1, scene.slots)
        return b.concat(shift, b.view(of, ne, of.nb[1:3]), 1)

    def _last(self, of: Tensor) -> Tensor:
        """The last token of each slot."""
        ne = (self.scene.embedding, 1, self.scene.slots)
        return self.scene.b.view(of, ne, of.nb[1:3])

    def _time(self, of: Tensor, before: Tensor, layer: int) -> Tensor:
        mix = Mix(self.scene, self.states, layer)
        if not self.scene.weight("time_mix_k_k.weight", layer):
            return time_mix6(mix, of, before)
        result, self.first = time_mix7(mix, of, before, self.first)
        return result

    def _flat(self, of: Tensor, layer: int) -> Tensor:
        """All tokens in a row; the last layer goes on with rows of outputs."""
        scene, b = self.scene, self.scene.b
        flat = b.reshape(of, scene.embedding, scene.tokens)
        return b.get_rows(flat, self.rows) if layer == scene.last else flat

    def _kept(self, of: Tensor, layer: int) -> None:
        b = self.scene.b
        ne = (of.ne[0] * of.ne[1] * of.ne[2],)
        self.states.store("r", layer, b.view(of, ne, ()))

    def _layer(self, layer: int) -> Tensor:
        scene, b, recipe = self.scene, self.scene.b, self.recipe
        stream, shift = self._apart(self.stream, layer)
        ne = (scene.embedding, 1, scene.slots)
        first, second = (b.view(shift, ne, shift.nb[1:3]) for _ in range(2))
        normed = norm(scene, recipe.norm, "attn_norm", stream, layer)
        scene.call(normed, "attn_norm", layer)
        added = self._time(normed, self._before(first, normed), layer)
        inner = scene.call(b.add(added, stream), "ffn_inp", layer)
        again = norm(scene, recipe.norm, "attn_norm_2", inner, layer)
        scene.call(again, "ffn_norm", layer)
        before = self._before(second, again)
        self._kept(b.concat(self._last(normed), self._last(again), 1), layer)
        inner, again, before = (self._flat(part, layer) for part in (inner, again, before))
        result = channel_mix(Mix(scene, self.states, layer), again, before)
        result = b.add(result, inner)
        every = scene.model.header.count("rescale_every_n_layers")
        if every and (layer + 1) % every == 0:
            result = b.scale(result)
        return scene.call(result, "l_out", layer)


class Fed(Shifted):
    """A feed-forward in the place of the channel mix."""

    def _layer(self, layer: int) -> Tensor:
        scene, b, recipe = self.scene, self.scene.b, self.recipe
        stream, shift = self._apart(self.stream, layer)
        normed = norm(scene, recipe.norm, "attn_norm", stream, layer)
        scene.call(normed, "attn_norm", layer)
        added = self._time(normed, self._before(shift, normed), layer)
        self._kept(self._last(normed), layer)
        inner = scene.call(b.add(added, stream), "ffn_inp", layer)
        inner = self._flat(inner, layer)
        result = b.add(self._feed(self._fed(inner, layer), layer), inner)
        return scene.call(result, "l_out", layer)
