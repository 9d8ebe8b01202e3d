"""Streams beside one another, delta nets, and attention to pools of tokens (qwen4exp.cpp)."""

from __future__ import annotations

from llmgen.budget.builds import Rule
from llmgen.budget.graph.attention import Extras
from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.head import conclude
from llmgen.budget.graph.hyper import PRE
from llmgen.budget.graph.ngrams import Ngrams
from llmgen.budget.graph.pools import Pools
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """A hybrid whose streams are one in front of each block."""
    Qwen4(scene, recipe).run()


class Qwen4(Decoder):
    """``count`` streams; full attention reads pools of tokens if the header has a size for them."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """As many streams of the input."""
        self.ngrams: Ngrams | None = None
        super().__init__(scene, recipe)
        self._begin()
        header = scene.model.header
        self.ratios = header.layered("attention.compress_ratios", scene.model.layers)
        size = max(self.ratios)
        self.pools = Pools(scene, size) if size else None
        if not scene.follows(Rule.LAYER_ROWS_FIRST):
            self._look_up()
        self.count = header.count("hyper_connection.count")
        self._widen()

    def _begin(self) -> None:
        """What is in the graph before pools are."""

    def _widen(self) -> None:
        """The input as many times as there are streams."""
        scene, b = self.scene, self.scene.b
        rows = b.reshape(self.stream, scene.embedding, 1, scene.tokens)
        wide = b.repeat(rows, scene.embedding, self.count, scene.tokens)
        self.stream = b.expand(scene.call(wide, "hc_init"))

    def _start(self) -> Tensor:
        if self.scene.follows(Rule.LAYER_ROWS_FIRST):
            self._look_up()
        return super()._start()

    def _look_up(self) -> None:
        if self.scene.model.header.listed("ple.layers"):
            self.ngrams = Ngrams(self.scene)

    def run(self) -> None:
        """All layers, then the streams as one: its weights are those of the last norm."""
        scene = self.scene
        for layer in scene.layers:
            self.stream = scene.end(layer, self._layer(layer))
        if scene.follows(Rule.STREAM_HANDED_ON):
            flat = scene.call(self._flat(self.stream), "h_nextn")
            scene.b.expand(scene.give("h_nextn", flat))
        gate, normed = self._gate(self.stream, "output_hc", -1)
        conclude(scene, self.recipe, self._mean(normed, gate))

    def _layer(self, layer: int) -> Tensor:
        scene, b, wide = self.scene, self.scene.b, self.stream
        if self.ngrams and layer in self.ngrams.layers:
            wide = self.ngrams.added(wide, self.states, layer)
        mixed, shares = self._narrowed(wide, "hc_attn", layer)
        added = self._mixed(b.expand(mixed), layer)
        if layer == scene.last:
            added, shares = b.get_rows(added, self.rows), b.get_rows(shares, self.rows)
            wide = b.get_rows(self._flat(wide), self.rows)
            wide = b.reshape(wide, scene.embedding, self.count, wide.ne[1])
        wide = scene.call(self._widened(wide, added, shares), "hc_combine", layer)
        mixed, shares = self._narrowed(wide, "hc_ffn", layer)
        result = self._feed(mixed, layer)
        return scene.call(self._widened(wide, result, shares), "l_last", layer)

    def _extras(self, normed: Tensor, layer: int) -> Extras:
        if not self.pools or not self.ratios[layer]:
            return super()._extras(normed, layer)
        mask = self.pools.shown(normed, self.positions, self.caches.full.mask, layer)
        return Extras(mask=mask)

    def _flat(self, wide: Tensor) -> Tensor:
        """All streams of a token in a row."""
        return self.scene.b.reshape(wide, wide.ne[0] * wide.ne[1], wide.ne[2])

    def _gate(self, wide: Tensor, name: str, layer: int) -> tuple[Tensor, Tensor]:
        """How much of each element passes, and the normed streams."""
        scene, b = self.scene, self.scene.b
        weight = scene.needed(f"{name}_norm.weight", layer)
        normed = self._flat(b.mul(b.each("RMS_NORM", wide), weight))
        low = b.mul_mat(scene.needed(f"{name}_down.weight", layer), normed)
        gate = b.mul_mat(scene.needed(f"{name}_up.weight", layer), b.unary(b.scale(low)))
        return scene.call(gate, "hc_gate", layer), normed

    def _narrowed(self, wide: Tensor, name: str, layer: int) -> tuple[Tensor, Tensor]:
        """One stream of several, and how much of a block's result each of them gets."""
        scene, b = self.scene, self.scene.b
        gate, normed = self._gate(wide, name, layer)
        mixed = self._passed(wide, gate, normed)
        shares = b.mul_mat(scene.needed(f"{name}_inject.weight", layer), normed)
        scene.call(shares, "hc_inject", layer)
        return scene.call(mixed, "hc_mixed", layer), shares

    def _passed(self, wide: Tensor, gate: Tensor, normed: Tensor) -> Tensor:
        """The mean of the streams behind a gate, in one operation if its layer's device has it."""
        b = self.scene.b
        if PRE in self.scene.setting.apart:
            return self._mean(normed, gate)
        parts = (b.reshape(part, *wide.ne[:3]) for part in (normed, gate))
        return b.made(PRE, "f32", (wide.ne[0], wide.ne[2]), *parts)

    def _mean(self, normed: Tensor, gate: Tensor) -> Tensor:
        """The same in operations of their own."""
        b, width = self.scene.b, self.scene.embedding
        gated = b.mul(normed, b.unary(gate))
        parts = [b.view(gated, (width, gated.ne[1]), (gated.nb[1],)) for _ in range(self.count)]
        mixed = b.cont(parts[0])
        for part in parts[1:]:
            mixed = b.add(mixed, part)
        return b.scale(mixed)

    def _widened(self, wide: Tensor, added: Tensor, shares: Tensor) -> Tensor:
        """All streams with their shares of a block's result."""
        b = self.scene.b
        shares = b.scale(b.unary(b.scale(shares)))
        return b.made("DSV4_HC_POST", "f32", wide.ne, added, wide, shares)
