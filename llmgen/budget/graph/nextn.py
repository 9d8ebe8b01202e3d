"""The graph of the blocks behind the trunk, which draft (``graph_mtp`` in ``src/models/NAME.cpp``).

The last row of the trunk and the token's embedding, normed and joined, are what they read.
"""

from __future__ import annotations

from msgspec.structs import replace

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def describe(scene: Scene, recipe: Recipe) -> None:
    """Layers of attention and a feed-forward or experts, whatever the trunk has."""
    Nextn(scene, replace(recipe, special="", normed_first=False, alone=False)).run()


class Nextn(Decoder):
    """A decoder between an input and an output of its own."""

    def _start(self) -> Tensor:
        scene, b, layer = self.scene, self.scene.b, self.scene.layers[0]
        table = scene.weight("nextn.embed_tokens.weight", layer)
        tokens = b.input("inp_tokens", "i32", scene.tokens)
        rows = b.get_rows(table or scene.needed("token_embd.weight"), tokens)
        given = b.input("mtp_h_input", "f32", scene.embedding, scene.tokens)
        given = norm(scene, "RMS_NORM", "nextn.hnorm", given, layer)
        rows = norm(scene, "RMS_NORM", "nextn.enorm", rows, layer)
        both = scene.call(b.concat(rows, given, 0), "mtp_concat", layer)
        return scene.call(linear(scene, "nextn.eh_proj", both, layer), "mtp_eh_proj", layer)

    def _takes_rows(self, layer: int) -> bool:
        """The row of every token is kept for the next draft."""
        del layer
        return False

    def run(self) -> None:
        """The layers, a norm, and logits."""
        scene, b, layer = self.scene, self.scene.b, self.scene.layers[0]
        for il in scene.layers:
            self.stream = scene.end(il, self._layer(il))
        own = scene.weight("nextn.shared_head_norm.weight", layer)
        name = "nextn.shared_head_norm" if own else self.recipe.output_norm
        result = norm(scene, self.recipe.norm, name, self.stream, layer, of_layer=bool(own))
        scene.give("h_nextn", scene.call(result, "h_nextn"))
        matrix = scene.weight("nextn.shared_head_head.weight", layer) or scene.matrices.output()
        result = b.mul_mat(matrix, b.get_rows(result, self.rows))
        b.expand(scene.give("logits", scene.call(result, "result_output")))
