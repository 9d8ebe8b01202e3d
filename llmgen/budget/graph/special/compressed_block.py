"""A nextn block of several streams that reads a window, and no compressed rows (deepseek4.cpp)."""

from __future__ import annotations

from llmgen.budget.graph.attention import Extras, attended
from llmgen.budget.graph.cache import Cache
from llmgen.budget.graph.compressor import Rows
from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.hyper import Narrow, head_shares, weighed_sum
from llmgen.budget.graph.nextn import Nextn
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.special.compressed import Compressed
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """One layer; its cache is one of layers with a window."""
    CompressedBlock(scene, recipe).run()


class CompressedBlock(Compressed, Nextn):
    """A layer without a ratio, of the streams that the model made."""

    def __init__(self, scene: Scene, recipe: Recipe) -> None:
        """The cache, and how its rows are rotated."""
        Decoder.__init__(self, scene, recipe)
        self.ratios = ()
        self.raw = Rows(scene, scene.setting.counts.window_cells, scene.model.key_length)
        self.cache = Cache(scene, windowed=True, latent=True)

    def _streams(self) -> int:
        return self.scene.model.header.count("hyper_connection.count")

    def _settle(self, wide: Tensor, one: Narrow) -> None:
        del wide, one

    def _read(self, query: Tensor, keys: Tensor, best: Tensor | None, layer: int) -> Tensor:
        """Attention to the window; V is what K is."""
        del best
        scene, b, cache = self.scene, self.scene.b, self.cache
        query, keys = self.raw.turned(query), self.raw.turned(keys)
        b.expand(query)
        b.expand(keys)
        cache.store_keys(keys, layer)
        stored = cache.keys(layer)
        extras = Extras(sinks=scene.needed("attn_sinks.weight", layer))
        result = attended(scene, query, stored, stored, cache.mask, layer, extras)
        return scene.call(self.raw.turned(result), "attn_raw", layer)

    def run(self) -> None:
        """The layer, the streams as one, a norm, and logits."""
        scene, b, (layer,) = self.scene, self.scene.b, self.scene.layers
        wide = scene.end(layer, self._layer(layer))
        width, count = wide.ne[:2]
        flat = b.get_rows(b.reshape(wide, width * count, scene.tokens), self.rows)
        scene.give("h_nextn", scene.call(flat, "h_nextn"))
        wide = b.reshape(flat, width, count, scene.outputs)
        result = scene.call(weighed_sum(scene, wide, head_shares(scene, wide)), "mtp_hc_head")
        result = scene.give("embd", self._last_norm(result, layer))
        matrix = scene.weight("nextn.shared_head_head.weight", layer) or scene.matrices.output()
        logits = scene.give("logits", b.mul_mat(matrix, result))
        b.expand(scene.call(logits, "result_output"))
