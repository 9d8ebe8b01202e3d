"""A Markov head behind a block's logits: each token's are biased by the token before (dflash.cpp).

It is chained over the block; micro-batches with longer blocks than the model was trained for are
reserved without it.
"""

from __future__ import annotations

from llmgen.budget.graph.lent import spread
from llmgen.budget.graph.linear import linear
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.shape.header import Header


def predicts_anchor(header: Header) -> bool:
    """Whether the first token of a block is a draft as well."""
    return header.values.get("sample_from_anchor") is not False


def biased(scene: Scene, logits: Tensor, tokens: Tensor, hidden: Tensor) -> Tensor:
    """The logits that are handed over (``build_dspark_markov_head``)."""
    each = scene.tokens // scene.slots
    if each > scene.model.header.needed("block_size"):
        return logits
    return _Chain(scene, logits, tokens, hidden, each).run()


class _Chain:
    """One block of each slot, ``each`` tokens long; their rows of one position are done at once."""

    def __init__(
        self, scene: Scene, logits: Tensor, tokens: Tensor, hidden: Tensor, each: int
    ) -> None:
        self.scene, self.logits, self.hidden, self.each = scene, logits, hidden, each
        self.blocks = scene.slots
        self.sure = bool(scene.weight("conf_proj.weight"))
        first = scene.b.view(tokens, (1, self.blocks), (tokens.nb[0] * each,))
        self.previous = scene.b.cont(first, self.blocks)

    def _at(self, of: Tensor, width: int) -> Tensor:
        """One position of every block; which one it is moves no memory."""
        return self.scene.b.view(of, (width, self.blocks), (of.nb[1] * self.each,))

    def run(self) -> Tensor:
        """All positions, one behind the other, then in the order of the micro-batch."""
        scene, b = self.scene, self.scene.b
        wide, first = self.logits.ne[0], 0
        columns: list[Tensor] = []
        sure: list[Tensor] = []
        if not predicts_anchor(scene.model.header):
            first = 1
            columns.append(b.cont(self._at(self.logits, wide)))
            if self.sure:
                sure.append(b.unary(b.cont(self._at(self.logits, 1))))
        for place in range(first, self.each):
            rows = b.get_rows(scene.needed("markov_w1.weight"), self.previous)
            bias = spread(scene, linear(scene, "markov_w2", rows))
            column = b.add(self._at(self.logits, wide), bias)
            columns.append(column)
            if self.sure:
                sure.append(self._sure(rows))
            if place + 1 < self.each:
                self.previous = b.made("ARGMAX", "i32", (self.blocks,), column)
        result = self._ordered(columns)
        if self.sure:
            wanted = b.repeat(self._ordered(sure), *self.hidden.ne)
            b.expand(scene.give("h_nextn", wanted))
        return b.expand(result)

    def _sure(self, rows: Tensor) -> Tensor:
        """How likely a position is taken: one number of its hidden row and the token before."""
        scene, b = self.scene, self.scene.b
        hidden = b.cont(self._at(self.hidden, self.hidden.ne[0]))
        found = b.mul_mat(scene.needed("conf_proj.weight"), b.concat(hidden, rows, 0))
        bias = scene.weight("conf_proj.bias")
        return b.unary(b.add(found, bias) if bias else found)

    def _ordered(self, columns: list[Tensor]) -> Tensor:
        b, joined = self.scene.b, columns[0]
        for column in columns[1:]:
            joined = b.concat(joined, column, 1)
        wide = joined.ne[0]
        by_place = b.reshape(joined, wide, self.blocks, self.each)
        by_block = b.cont(b.permute(by_place, 0, 2, 1, 3))
        return b.reshape(by_block, wide, self.blocks * self.each)
