"""Encoders with norms behind attention and feed-forward (``src/models/bert.cpp``)."""

from __future__ import annotations

from msgspec.structs import replace

from llmgen.budget.builds import Rule
from llmgen.budget.graph.decoder import Decoder, embeddings
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.recipe import Heads, Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """An encoder; where the file has norms of queries or keys, they are of a whole row."""
    if any(scene.weight(f"attn_{part}_norm.weight", 0) for part in ("q", "k")):
        recipe = replace(recipe, heads=Heads.ROW)
    Encoder(scene, recipe).run()


class Encoder(Decoder):
    """What differs from a decoder: the input, and where a layer has its norms."""

    def _start(self) -> Tensor:
        """Tokens, the first row of types, and positions, normed."""
        scene, b = self.scene, self.scene.b
        places = None
        if self.recipe.learned:
            places = b.get_rows(scene.needed("position_embd.weight"), self.positions)
            if scene.follows(Rule.POSITIONS_FIRST):
                b.expand(places)
        stream = embeddings(scene, self.recipe)
        if types := scene.weight("token_types.weight"):
            stream = b.add(stream, b.view(types, (scene.embedding,), ()))
        if places is not None:
            stream = b.add(places, stream)
        scene.call(stream, "inp_embd")
        stream = norm(scene, "NORM", "token_embd_norm", stream, 0, of_layer=False)
        return scene.call(stream, "inp_norm", 0)

    def _layer(self, layer: int) -> Tensor:
        scene, b, stream = self.scene, self.scene.b, self.stream
        added = scene.call(self._attention(stream, layer), "kqv_out", layer)
        if layer == scene.last:
            added, stream = b.get_rows(added, self.rows), b.get_rows(stream, self.rows)
        inner = norm(scene, "NORM", "attn_output_norm", b.add(added, stream), layer)
        if scene.weight("attn_norm_2.weight", layer):
            inner = norm(scene, "NORM", "attn_norm_2", b.add(inner, stream), layer)
        scene.call(inner, "ffn_inp", layer)
        result = b.add(self._feed(inner, layer), inner)
        return norm(scene, "NORM", "layer_output_norm", result, layer)
