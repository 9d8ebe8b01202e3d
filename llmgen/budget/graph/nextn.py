"""The graph of a nextn block: one layer that drafts a token from the last one's hidden row.

``graph_mtp`` in src/models/NAME.cpp: the row and the token's embedding, normed and joined, are what
the layer reads; its logits are the output's, or the block's own.
"""

from __future__ import annotations

from msgspec.structs import replace

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.graph.weights import Undescribed


def describe(scene: Scene, recipe: Recipe) -> None:
    """A layer of attention and a feed-forward or experts, whatever the trunk has.

    Raises Undescribed for blocks of several streams.
    """
    if not recipe.drafts:
        raise Undescribed("nextn.eh_proj.weight")
    Nextn(scene, replace(recipe, special="", normed_first=False, alone=False)).run()


class Nextn(Decoder):
    """A decoder of one layer, between an input and an output of its own."""

    def _start(self) -> Tensor:
        """The embedding of the token and the row that the model made of the one before."""
        scene, b, (layer,) = self.scene, self.scene.b, self.scene.layers
        table = scene.weight("nextn.embed_tokens.weight", layer)
        tokens = b.input("inp_tokens", "i32", scene.tokens)
        rows = b.get_rows(table or scene.needed("token_embd.weight"), tokens)
        scene.call(rows, "mtp_tok_embd", layer)
        given = b.input("mtp_h_input", "f32", scene.embedding, scene.tokens)
        first = norm(scene, "RMS_NORM", "nextn.hnorm", given, layer)
        second = norm(scene, "RMS_NORM", "nextn.enorm", rows, layer)
        joined = scene.call(b.concat(second, first, 0), "mtp_concat", layer)
        return scene.call(linear(scene, "nextn.eh_proj", joined, layer), "mtp_eh_proj", layer)

    def _takes_rows(self, layer: int) -> bool:
        """Few graphs go on with rows of outputs alone behind attention."""
        del layer
        return self.recipe.drafts_rows

    def run(self) -> None:
        """The layer, a norm, and logits."""
        scene, b, (layer,) = self.scene, self.scene.b, self.scene.layers
        result = scene.end(layer, self._layer(layer))
        own = scene.weight("nextn.shared_head_norm.weight", layer)
        name = "nextn.shared_head_norm" if own else self.recipe.output_norm
        result = norm(scene, self.recipe.norm, name, result, layer, of_layer=bool(own))
        scene.give("h_nextn", scene.call(result, "h_nextn"))
        if not self.recipe.drafts_rows:
            result = b.get_rows(result, self.rows)
        matrix = scene.weight("nextn.shared_head_head.weight", layer)
        scale = scene.weight("nextn.shared_head_head.scale", layer)
        if matrix is None:
            matrix, scale = scene.matrices.output(), scene.weight("output.scale")
        result = b.mul_mat(matrix, result)
        result = b.mul(result, scale) if scale else result
        scene.give("logits", scene.call(result, "result_output"))
        b.expand(result)
