"""Embeddings of the n-grams that end with each token, convolved and added to streams (qwen4exp)."""

from __future__ import annotations

from llmgen.budget.graph.mixers.convolution import joined
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.states import States
from llmgen.budget.graph.tensor import Tensor


class Ngrams:
    """Rows of a table for all n-grams of each token, behind one another (``build_inp_ple``)."""

    def __init__(self, scene: Scene) -> None:
        """Look them up: which rows they are is an input."""
        b, header, tokens = scene.b, scene.model.header, scene.tokens
        self.scene, self.longest = scene, header.count("ple.ngram_size")
        self.layers = frozenset(header.listed("ple.layers"))
        count = (self.longest - 1) * header.count("ple.heads_per_ngram")
        table = scene.needed("per_layer_token_embd.weight")
        rows = b.get_rows(table, b.input("", "i32", count * tokens))
        rows = b.reshape(rows, rows.ne[0] * count, tokens)
        self.rows = b.expand(scene.call(rows, "ple_embd"))

    def added(self, wide: Tensor, states: States, layer: int) -> Tensor:
        """Streams with what n-grams say, as much of it as each stream asks for (``build_ple``)."""
        scene, b = self.scene, self.scene.b
        width, count, tokens = wide.ne[:3]
        keys = b.mul_mat(scene.needed("ple_key.weight", layer), self.rows)
        values = b.mul_mat(scene.needed("ple_value.weight", layer), self.rows)
        keys = self._normed(b.reshape(keys, width, count, tokens), "key", layer)
        query = self._normed(wide, "query", layer)
        found = b.scale(b.sum_rows(b.mul(keys, query)))
        size = b.each("SQRT", scene.clamp(b.unary(found)))
        gate = scene.call(b.unary(b.mul(b.unary(found), size)), "ple_gate", layer)
        values = b.repeat(b.reshape(values, width, 1, tokens), width, count, tokens)
        passed = scene.call(b.mul(values, gate), "ple_gated_value", layer)
        convolved = self._convolved(self._normed(passed, "conv", layer), states, layer)
        convolved = b.reshape(b.cont(b.unary(convolved)), width, count, tokens)
        return b.add(wide, b.add(passed, convolved))

    def _normed(self, of: Tensor, name: str, layer: int) -> Tensor:
        scene = self.scene
        weight = scene.needed(f"ple_norm_{name}.weight", layer)
        return scene.b.mul(scene.b.each("RMS_NORM", of), weight)

    def _convolved(self, of: Tensor, states: States, layer: int) -> Tensor:
        """A sum of copies, each further back by the longest n-gram, behind what is remembered."""
        scene, b = self.scene, self.scene.b
        kernel = scene.needed("ple_conv1d.weight", layer)
        channels, taps = of.ne[0] * of.ne[1], kernel.ne[0]
        near = (states.each, channels, scene.slots)
        before = states.load("p", layer)
        before = b.reshape(before, (taps - 1) * self.longest, channels, scene.slots)
        columns = b.transpose(b.reshape(of, channels, states.each, scene.slots))
        wide = joined(scene, states, before, columns, layer, "p", copied=True)
        parts = []
        for _ in range(taps):
            shifted = b.cont(b.transpose(b.view(wide, near, wide.nb[1:3])))
            tap = b.cont(b.view(kernel, (1, channels), (kernel.nb[1],)))
            tap = b.reshape(tap, channels)
            parts.append(b.mul(shifted, tap if tap.kind == "f32" else b.cast(tap, "f32")))
        result, *others = parts
        for other in others:
            result = b.add(result, other)
        return result
