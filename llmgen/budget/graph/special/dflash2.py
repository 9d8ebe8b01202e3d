"""Convolutions over a block, and how well the best tokens of its places follow (dflash.cpp)."""

from __future__ import annotations

from msgspec import Struct

from llmgen.budget.graph.linear import linear
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


class Mixing(Struct, frozen=True):
    """What is mixed over the places of a block in front of a part of a layer, and behind it."""

    scene: Scene
    part: str
    layer: int
    coefficients: Tensor | None

    def before(self, of: Tensor) -> Tensor:
        """What the part reads."""
        return self._mixed(of, "conv_in")

    def behind(self, of: Tensor) -> Tensor:
        """What it adds."""
        return self._mixed(of, "conv_out")

    def _mixed(self, of: Tensor, said: str) -> Tensor:
        if self.coefficients is None:
            return of
        base = self.scene.needed(f"{self.part}_conv_base", self.layer)
        result = _convolved(self.scene, of, self.coefficients, base)
        return self.scene.call(result, f"{self.part}_{said}", self.layer)


def mixing(scene: Scene, part: str, of: Tensor, layer: int) -> Mixing:
    """Coefficients of both, if the file has a product for them."""
    name = f"{part}_conv_proj"
    has = scene.weight("selector_hidden.weight") and scene.weight(f"{name}.weight", layer)
    return Mixing(scene, part, layer, linear(scene, name, of, layer) if has else None)


def _convolved(scene: Scene, of: Tensor, coefficients: Tensor, base: Tensor) -> Tensor:
    """Each place with those before it, by weights of its own (``build_dflash2_conv``)."""
    b, header, tokens, wide = scene.b, scene.model.header, scene.tokens, of.ne[0]
    kernel, group = (header.needed(f"conv_{name}_size") for name in ("kernel", "group"))
    groups, each = wide // group, tokens // scene.slots
    blocks = b.reshape(of, wide, each, scene.slots)
    both = b.reshape(coefficients, groups, kernel, 2, tokens)
    side = b.cont(b.view(both, (groups, kernel, tokens), (both.nb[1], both.nb[3])))
    side = b.reshape(side, 1, groups, kernel, tokens)
    side = b.repeat(side, group, groups, kernel, tokens)
    own = b.reshape(b.view(base, (wide * kernel,), ()), group, groups, kernel, 1)
    weights = b.add(side, own)
    result: Tensor | None = None
    for tap in range(min(kernel, each)):
        values = blocks
        if tap:
            earlier = b.view(blocks, (wide, each - tap, scene.slots), blocks.nb[1:3])
            values = b.pad(earlier, 0, tap)
        values = b.reshape(values, wide, tokens)
        weight = b.view(weights, (group, groups, 1, tokens), weights.nb[1:])
        term = b.mul(b.reshape(b.cont(weight), wide, tokens), values)
        result = b.add(result, term) if result else term
    return result or of


def bent(scene: Scene, logits: Tensor) -> Tensor:
    """Logits as the other model makes them, for the best of them are chosen here."""
    b, values = scene.b, scene.model.header.values
    if values.get("logit_scale"):
        logits = b.scale(logits)
    if values.get("final_logit_softcapping"):
        logits = b.scale(b.unary(b.scale(logits)))
    return logits


def select(scene: Scene, logits: Tensor, tokens: Tensor, hidden: Tensor) -> None:
    """Rows of the best tokens and of how well they follow (``build_dflash2_selector``)."""
    b, header, count = scene.b, scene.model.header, scene.tokens
    best, each = header.needed("selector_top_k"), count // scene.slots
    block = min(each, header.needed("block_size"))
    chosen = b.made("TOP_K", "i32", (best, count), logits)
    rows = b.get_rows(b.reshape(logits, 1, logits.ne[0], count), chosen)
    parts = (chosen, b.reshape(rows, best, count), linear(scene, "selector_hidden", hidden))
    blocks = [b.reshape(part, part.ne[0], each, scene.slots) for part in parts]
    packed = b.filled("f32", scene.embedding, 1, scene.slots)
    if block > 1:
        anchors = b.cont(b.view(tokens, (1, scene.slots), (each * tokens.nb[0],)), scene.slots)
        packed = b.concat(packed, _scored(scene, blocks, 1, anchors), 1)
    if block > 2:
        ahead = block - 2
        before = b.cont(_places(scene, blocks[0], ahead))
        before = b.reshape(before, best * ahead * scene.slots)
        packed = b.concat(packed, _scored(scene, blocks, ahead, before), 1)
    packed = b.reshape(packed, scene.embedding, block * scene.slots)
    b.expand(scene.give("h_nextn", scene.call(packed, "dflash2_lattice")))


def _places(scene: Scene, of: Tensor, count: int) -> Tensor:
    """So many places of each block; where they start moves no memory."""
    return scene.b.view(of, (of.ne[0], count, scene.slots), of.nb[1:3])


def _scored(scene: Scene, blocks: list[Tensor], count: int, before: Tensor) -> Tensor:
    """The best tokens of so many places, and how well each follows those ``before``."""
    b, slots = scene.b, scene.slots
    chosen, alone, gate = (b.cont(_places(scene, of, count)) for of in blocks)
    best, rank = chosen.ne[0], gate.ne[0]
    many = before.ne[0] // (count * slots)
    flat = b.reshape(chosen, best * count * slots)
    after = b.get_rows(scene.needed("selector_successor.weight"), flat)
    after = b.reshape(after, rank, best, count, slots)
    first = b.get_rows(scene.needed("selector_predecessor.weight"), before)
    first = b.reshape(first, rank, many, count, slots)
    opened = b.repeat(b.reshape(gate, rank, 1, count, slots), *first.ne)
    score = b.mul_mat(after, b.mul(first, opened))
    if many == 1:
        score = b.repeat(score, best, best, count, slots)
    alone = b.repeat(b.reshape(alone, best, 1, count, slots), *score.ne)
    score = b.reshape(b.add(score, alone), best * best, count, slots)
    row = b.concat(b.cast(chosen, "f32"), score, 0)
    return b.pad(row, scene.embedding - best - best * best)
