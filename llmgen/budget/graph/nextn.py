"""The graph of a nextn block: one layer that drafts a token from the last one's hidden row.

``graph_mtp`` in src/models/NAME.cpp: the row and the token's embedding, normed and joined, are what
the layer reads; its logits are the output's, or the block's own.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from msgspec.structs import replace

from llmgen.budget.graph.decoder import Decoder
from llmgen.budget.graph.head import bent
from llmgen.budget.graph.linear import linear, norm
from llmgen.budget.graph.recipe import Block, Picks, Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.graph.weights import Undescribed

# Norms in front of the block's logits, the first one that a file has; else the output's.
_NORMS: Final = ("nextn.shared_head_norm", "layer_output_norm")


def describe(scene: Scene, recipe: Recipe) -> None:
    """A layer of attention and a feed-forward or experts, whatever the trunk has.

    Raises Undescribed where no block is known.
    """
    block = recipe.block
    if block is None:
        raise Undescribed("nextn.eh_proj.weight")
    recipe = replace(
        recipe,
        normed_first=False,
        alone=False,
        feed_norm=block.feed_norm or recipe.feed_norm,
        rope=block.rope or recipe.rope,
    )
    if block.special:
        import_module(f"llmgen.budget.graph.special.{block.special}").describe(scene, recipe)
    else:
        Nextn(scene, recipe).run()


class Nextn(Decoder):
    """A decoder of one layer, between an input and an output of its own."""

    @property
    def block(self) -> Block:
        """How it differs from layers of the trunk."""
        return self.recipe.block or Block()

    def _streams(self) -> int:
        """How many streams are beside one another in the row that it reads; 0: it is the stream."""
        return 0

    def _start(self) -> Tensor:
        """The embedding of the token and the row that the model made of the one before."""
        scene, b, (layer,) = self.scene, self.scene.b, self.scene.layers
        width, count = scene.embedding, self._streams()
        table = scene.weight("nextn.embed_tokens.weight", layer)
        tokens = b.input("inp_tokens", "i32", scene.tokens)
        rows = b.get_rows(table or scene.needed("token_embd.weight"), tokens)
        scene.call(rows, "mtp_tok_embd", layer)
        given = b.input("mtp_h_input", "f32", width * (count or 1), scene.tokens)
        given = b.reshape(given, width, count, scene.tokens) if count else given
        first = norm(scene, self.recipe.norm, "nextn.hnorm", given, layer)
        second = norm(scene, self.recipe.norm, "nextn.enorm", rows, layer)
        if count:
            second = b.reshape(second, width, 1, scene.tokens)
            second = b.repeat(second, width, count, scene.tokens)
        joined = scene.call(b.concat(second, first, 0), "mtp_concat", layer)
        return scene.call(linear(scene, "nextn.eh_proj", joined, layer), "mtp_eh_proj", layer)

    def _takes_rows(self, layer: int) -> bool:
        """Few graphs go on with rows of outputs alone behind attention."""
        del layer
        return self.block.picks is Picks.ATTENTION

    def _summed(self, stream: Tensor) -> Tensor:
        return self._picked(stream, Picks.SUM)

    def _picked(self, of: Tensor, where: Picks) -> Tensor:
        """The rows of outputs, if they are taken there."""
        return self.scene.b.get_rows(of, self.rows) if self.block.picks is where else of

    def run(self) -> None:
        """The layer, a norm, and logits."""
        scene, b, (layer,) = self.scene, self.scene.b, self.scene.layers
        result = scene.end(layer, self._picked(self._layer(layer), Picks.LAYER))
        if self.block.picks is Picks.LAYER:
            scene.give("h_nextn", scene.call(result, "h_nextn"))
        result = self._last_norm(result, layer)
        if self.block.picks is not Picks.LAYER:
            scene.give("h_nextn", scene.call(result, "h_nextn"))
        result = self._picked(result, Picks.NORM)
        matrix = scene.weight("nextn.shared_head_head.weight", layer)
        scale = scene.weight("nextn.shared_head_head.scale", layer)
        if matrix is None:
            matrix, scale = scene.matrices.output(), scene.weight("output.scale")
        result = b.mul_mat(matrix, result)
        result = b.mul(result, scale) if scale else result
        result = bent(scene, self.recipe, result)
        scene.give("logits", scene.call(result, "result_output"))
        b.expand(result)

    def _last_norm(self, of: Tensor, layer: int) -> Tensor:
        """The norm in front of the logits."""
        scene, op = self.scene, self.block.norm or self.recipe.norm
        own = next((name for name in _NORMS if scene.weight(f"{name}.weight", layer)), "")
        return norm(scene, op, own or self.recipe.output_norm, of, layer, of_layer=bool(own))
