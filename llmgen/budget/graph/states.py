"""Recurrent state as a graph sees it: rows of each layer, read for every slot and written back.

``build_rs`` and ``build_rs_inp`` in llama-graph.cpp; a full cache is reserved (``init_full``), so
every slot has one row, the first one of them is cleared, and none is left over. Behind those rows
are as many again for each token that a draft may be refused.
"""

from __future__ import annotations

from collections.abc import Callable

from llmgen.budget.builds import Rule
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor

# A scan that reads the rows itself: all rows of the layer, and which of them.
Scan = Callable[[Tensor, Tensor], Tensor]


class States:
    """The rows of all recurrent layers, and which of them the slots have."""

    def __init__(self, scene: Scene) -> None:
        """Make the input that says where each slot's row is."""
        self.scene, self.rows = scene, scene.slots
        b = scene.b
        self.copied = b.input("rs_s_copy", "i32", self.rows)
        self.own = b.view(self.copied, (scene.slots,), ())
        self.at_once = scene.follows(Rule.STATES_AT_ONCE)
        own = 1 if self.at_once else scene.slots
        self.rest = b.view(self.copied, (self.rows - own,), ())
        self.held: dict[tuple[str, int], Tensor] = {}

    @property
    def each(self) -> int:
        """Tokens of each slot."""
        return self.scene.tokens // self.scene.slots

    def all(self, letter: str, layer: int) -> Tensor:
        """R, S or P of a layer: convolution, state, or what n-grams are convolved with."""
        key = (letter, layer)
        if key not in self.held:
            scene, rows = self.scene, self.scene.model.rows
            width = {"r": rows.convolution, "s": rows.state, "p": rows.extra}[letter]
            home = scene.cache_home(layer)
            name = f"cache_{'ple_r' if letter == 'p' else letter}_l{layer}"
            ne = (width, self.rows * scene.kept, 1, 1)
            self.held[key] = scene.b.held(name, "f32", ne, home=home)
        return self.held[key]

    def load(self, letter: str, layer: int, scan: Scan | None = None) -> Tensor:
        """The rows of the slots, or what a scan makes of them."""
        b, cache, slots = self.scene.b, self.all(letter, layer), self.scene.slots
        width = cache.ne[0]
        states = b.reshape(cache, *cache.ne[:2])
        b.expand(b.in_place("SCALE", b.view(states, (width,), ())))
        left = (width, self.rows - slots)
        if self.at_once:
            gathered = b.get_rows(states, self.rest if scan else self.copied)
            row = (gathered.nb[1],)
            result = scan(states, self.own) if scan else b.view(gathered, (width, slots), row)
            others = b.view(gathered, left, row)
        else:
            result = scan(states, self.own) if scan else b.get_rows(states, self.own)
            others = b.get_rows(states, self.rest)
        b.expand(result)
        b.expand(b.copy(others, b.view(cache, left, (cache.nb[1],))))
        return result

    def store(self, letter: str, layer: int, of: Tensor) -> None:
        """Write rows back."""
        b, cache = self.scene.b, self.all(letter, layer)
        b.expand(b.copy(of, b.view(cache, (cache.ne[0], self.scene.slots), (cache.nb[1],))))
