"""Keys of several tokens in one row: their cache, the state of rows that are not full, and inputs.

``llama_dsv4_comp_state`` and ``comp_plan`` in llama-kv-cache-dsv4.cpp, as they are reserved.
"""

from __future__ import annotations

from llmgen.budget.builds import Rule
from llmgen.budget.graph.attention import rotated
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.positions import turned_part
from llmgen.budget.graph.rotation import ROTATED, rotation_block
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.shape.rows import is_quantized, padded

# The smallest block that rows are rotated in (llama-kv-cache.cpp).
_CELLS = 256


class Rows:
    """A cache of one row for each cell and no values; each slot has its own."""

    def __init__(self, scene: Scene, cells: int, width: int) -> None:
        """Rows as wide as an indexer's are always rotated, others where they are quantised."""
        self.scene, self.cells, self.width = scene, cells, width
        self._held: dict[int, Tensor] = {}
        indexed = scene.model.indexer_width in {width, scene.model.key_length}
        rotates = width % ROTATED == 0 and is_quantized(scene.setting.type_k)
        self.rotation = self._rotation() if width and (rotates or indexed) else None

    def _rotation(self) -> Tensor:
        block = rotation_block(self.width)
        return self.scene.b.input("attn_inp_k_rot", "f32", block, block)

    def turned(self, of: Tensor) -> Tensor:
        """Rotated, if rows of this cache are."""
        return rotated(self.scene, of, self.rotation) if self.rotation else of

    def store(self, rows: Tensor, places: Tensor, layer: int) -> None:
        """Write rows."""
        b, cache = self.scene.b, self._of(layer)
        rows = b.view(rows, (self.width, rows.ne[2]), (rows.nb[2],))
        if cache.ne[2] > 1:
            cache = b.reshape(cache, cache.ne[0], cache.ne[1] * cache.ne[2])
        b.expand(b.set_rows(cache, rows, places))

    def read(self, layer: int) -> Tensor:
        """All rows of all slots."""
        cache = self._of(layer)
        ne = (self.width, 1, *cache.ne[1:3])
        return self.scene.b.view(cache, ne, (cache.nb[1], cache.nb[1], cache.nb[2]))

    def _of(self, layer: int) -> Tensor:
        if layer not in self._held:
            scene = self.scene
            home = scene.cache_home(layer)
            ne = (self.width, self.cells, scene.slots, 1)
            kind = scene.setting.type_k
            self._held[layer] = scene.b.held(f"cache_k_l{layer}", kind, ne, home=home)
        return self._held[layer]


class Compressor:
    """``ratio`` tokens to a row; where it ``overlaps``, each row reads twice as many."""

    def __init__(
        self, scene: Scene, name: str, *, ratio: int, width: int, overlaps: bool, mask: str
    ) -> None:
        """Inputs of the reserved graph; ``mask`` is the type of the mask."""
        b, tokens, slots = scene.b, scene.tokens, scene.slots
        self.scene, self.name, self.ratio = scene, name, ratio
        self.overlaps, self.width = overlaps, width
        cells = padded(max(1, -(-scene.setting.counts.cells // ratio)), _CELLS)
        self.rows = Rows(scene, cells, width)
        self.blocks = tokens // ratio + slots
        if scene.follows(Rule.BLOCKS_OF_SLOTS):
            self.blocks = slots * -(-(tokens // slots) // ratio)
        self.kept = (2 if overlaps else 1) * ratio * slots
        persisted, rolled = min(tokens, self.kept), scene.kept - 1

        def places(what: str, count: int, kind: str = "i32") -> Tensor:
            return b.input(f"dsv4_{name}_state_{what}", kind, count)

        self.positions = places("pos", tokens)
        self.persisted = [places(f"persist_{end}_idxs", persisted) for end in ("src", "dst")]
        self.restored = [places(f"restore_{end}_idxs", self.kept) for end in ("src", "dst")]
        self.snapshot = [
            places(f"snapshot_{end}_idxs", rolled * self.kept) for end in ("src", "dst")
        ]
        self.read = places("read_idxs", (2 if overlaps else 1) * ratio * self.blocks)
        self.written = places("write_idxs", self.blocks, "i64")
        self.starts = places("write_pos", self.blocks)
        each = tokens // slots
        self.mask = b.input(f"dsv4_{name}_kq_mask", mask, cells, each, 1, slots)
        self._held: dict[tuple[str, int], Tensor] = {}

    def compress(self, normed: Tensor, weights: str, layer: int) -> None:
        """Store the rows that become full, and keep the tokens of those that do not."""
        scene, b, name = self.scene, self.scene.b, f"{self.name}_state"
        new = {}
        for part, weight in (("kv", "kv"), ("score", "gate")):
            matrix = scene.needed(f"{weights}_{weight}.weight", layer)
            new[part] = scene.call(b.mul_mat(matrix, normed), f"{name}_{part}", layer)
        places = b.get_rows(scene.needed(f"{weights}_ape.weight", layer), self.positions)
        new["score"] = scene.call(b.add(new["score"], places), f"{name}_score_ape", layer)
        old = {part: self._restored(part, layer) for part in new}
        parts = [self._gathered(self._both(old[part], new[part]), layer) for part in new]
        row = self._one(parts[0], parts[1], f"{weights}_norm", layer)
        self.rows.store(self.rows.turned(row), self.written, layer)
        if scene.kept > 1:
            for part, rows in new.items():
                self._write(part, b.concat(old[part], rows, 1), self.snapshot, layer)
        for part, rows in new.items():
            self._write(part, rows, self.persisted, layer)

    def _both(self, old: Tensor, new: Tensor) -> Tensor:
        """The state as it is, and the tokens of the micro-batch."""
        b = self.scene.b
        return b.concat(b.view(old, (old.ne[0], self.kept), (old.nb[1],)), new, 1)

    def _gathered(self, source: Tensor, layer: int) -> Tensor:
        """What each row is made of, its tokens first: [tokens, width, rows]."""
        b, ratio, width, blocks = self.scene.b, self.ratio, self.width, self.blocks
        if not self.overlaps:
            rows = b.reshape(b.get_rows(source, self.read), width, ratio, blocks)
            self.scene.call(rows, f"{self.name}_state_compress", layer)
            return b.cont(b.permute(rows, 1, 0, 2, 3))
        none = b.scale(b.view(source, (source.ne[0],), ()))
        source = b.concat(source, b.reshape(none, source.ne[0], 1), 1)
        rows = b.get_rows(source, self.read)
        before, now = (
            b.reshape(
                b.cont(b.view(rows, (width, ratio * blocks), (rows.nb[1],))), width, ratio, blocks
            )
            for _ in range(2)
        )
        return b.cont(b.permute(b.concat(before, now, 1), 1, 0, 2, 3))

    def _one(self, values: Tensor, scores: Tensor, weight: str, layer: int) -> Tensor:
        """The rows: their tokens by weight, normed and rotated."""
        scene, b, name = self.scene, self.scene.b, f"{self.name}_state_compress"
        row = b.sum_rows(b.mul(values, b.softmax(scores)))
        row = scene.call(b.cont(b.permute(row, 1, 0, 2, 3)), name, layer)
        row = scene.call(norm(scene, "RMS_NORM", weight, row, layer), name, layer)
        return scene.call(turned_part(scene, row, self.starts, last=True), name, layer)

    def _restored(self, part: str, layer: int) -> Tensor:
        """All planes of the state, behind a draft that was refused."""
        every = self._all(part, layer)
        if self.scene.kept == 1:
            return every
        rows = self.scene.b.get_rows(every, self.restored[0])
        return self.scene.b.set_rows(self._all(part, layer), rows, self.restored[1])

    def _write(self, part: str, rows: Tensor, places: list[Tensor], layer: int) -> None:
        b = self.scene.b
        b.expand(b.set_rows(self._all(part, layer), b.get_rows(rows, places[0]), places[1]))

    def _all(self, part: str, layer: int) -> Tensor:
        scene, key = self.scene, (part, layer)
        if key not in self._held:
            home = scene.cache_home(layer)
            width = (2 if self.overlaps else 1) * self.width
            name = f"dsv4_{self.name}_state_{part}_l{layer}"
            ne = (width, self.kept * scene.kept, 1, 1)
            self._held[key] = scene.b.held(name, "f32", ne, home=home)
        held = self._held[key]
        return scene.b.view(held, held.ne[:2], (held.nb[1],))
