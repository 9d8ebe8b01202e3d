"""The cache as a graph sees it: rows of each layer, where to write, and its masks.

``llama_kv_cache`` (get_k, cpy_k, build_input_*) and ``build_attn_inp_*`` in llama-graph.cpp.
"""

from __future__ import annotations

from llmgen.budget.graph.rotation import ROTATED, rotation_block
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.shape.rows import is_quantized

# The smallest block that quantized rows are rotated in (llama-kv-cache.cpp).


class Cache:
    """K and V of the layers with a window, or of those without."""

    def __init__(self, scene: Scene, *, windowed: bool = False, latent: bool = False) -> None:
        """``latent`` rows have no V: it is a part of K."""
        self.scene, self.windowed, self.latent = scene, windowed, latent
        model, counts = scene.model, scene.setting.counts
        self.cells = counts.window_cells if windowed else counts.cells
        self.layers = [
            il
            for il in (
                range(model.trunk, model.layers) if scene.setting.drafts else range(model.owners)
            )
            if model.windows.layers[il] == windowed and model.attends(il)
        ]
        self.widest = max(map(model.value_width, range(model.layers)), default=0)
        self.held: dict[str, Tensor] = {}
        b, tokens = scene.b, scene.tokens
        flash = scene.setting.flash
        self.k_places = b.input("attn_inp_k_idxs", "i64", tokens)
        each = self.widest if scene.setting.columns else 1
        self.v_places = b.input("attn_inp_v_idxs", "i64", tokens * each)
        self.mask = b.input(
            "attn_inp_kq_mask",
            "f16" if flash else "f32",
            *(self.cells, tokens // scene.streams, 1, scene.streams),
        )
        # Latent rows are not rotated (build_attn_inp_k).
        rotates = not latent
        self.k_rotation = (
            self._rotation("attn_inp_k_rot", scene.setting.type_k, key=True) if rotates else None
        )
        self.v_rotation = self._rotation("attn_inp_v_rot", scene.setting.type_v, key=False)

    def _rotation(self, name: str, kind: str, *, key: bool) -> Tensor | None:
        """The matrix that rotates rows of a quantized cache, in blocks that divide every head.

        Keys take the largest block, values the smallest.
        """
        hybrid = self.scene.model.windows.used and any(self.scene.model.recurrent)
        if hybrid:  # build_inp_mem_hybrid_iswa has no rotation
            return None
        if not is_quantized(kind) or (self.latent and not key):
            return None
        sizes = {self.key_head(il) if key else self.value_head(il) for il in self.layers}
        first = self.key_head(0) if key else self.value_head(0)
        if len(sizes) != 1 or first % ROTATED or not next(iter(sizes)):
            return None
        block = rotation_block(next(iter(sizes))) if key else ROTATED
        return self.scene.b.input(name, "f32", block, block)

    def key_head(self, layer: int) -> int:
        """Elements of a head of K."""
        model = self.scene.model
        return model.key_length_window if model.windows.layers[layer] else model.key_length

    def value_head(self, layer: int) -> int:
        """Elements of a head of V."""
        model = self.scene.model
        return model.value_length_window if model.windows.layers[layer] else model.value_length

    def _rows(self, letter: str, layer: int) -> Tensor:
        """The whole cache of a layer."""
        name = f"cache_{letter}_l{layer}"
        if name not in self.held:
            scene, key = self.scene, letter == "k"
            model, setting = scene.model, scene.setting
            width = model.key_width(layer) if key else model.value_width(layer)
            if not key and setting.columns:
                width = self.widest
            home = scene.cache_home(layer)
            self.held[name] = scene.b.held(
                name,
                setting.type_k if key else setting.type_v,
                (width, self.cells, scene.streams, 1),
                home=home,
            )
        return self.held[name]

    def store_keys(self, keys: Tensor, layer: int) -> None:
        """Write the rows of K."""
        b = self.scene.b
        rows = b.view(keys, (keys.ne[0] * keys.ne[1], keys.ne[2]), (keys.nb[2],))
        b.expand(b.set_rows(self._joined(self._rows("k", layer)), rows, self.k_places))

    def store_values(self, values: Tensor, layer: int) -> None:
        """Write the rows of V, or each of its elements where V lies in columns."""
        b, cache = self.scene.b, self._rows("v", layer)
        width, tokens = values.ne[0] * values.ne[1], values.ne[2]
        if not self.scene.setting.columns:
            rows = b.view(values, (width, tokens), (values.nb[2],))
            b.expand(b.set_rows(self._joined(cache), rows, self.v_places))
            return
        if values.nb[2] == width * values.nb[0]:
            rows = b.reshape(values, width, tokens)
        else:
            rows = b.cont(values, width, tokens)
        if width < cache.ne[0]:
            rows = b.pad(rows, cache.ne[0] - width)
        count = cache.ne[0] * cache.ne[1] * cache.ne[2]
        columns = b.reshape(cache, 1, count)
        elements = b.reshape(rows, 1, rows.ne[0] * rows.ne[1])
        b.expand(b.set_rows(columns, elements, self.v_places))

    def _joined(self, cache: Tensor) -> Tensor:
        if self.scene.streams == 1:
            return cache
        return self.scene.b.reshape(cache, cache.ne[0], cache.ne[1] * cache.ne[2])

    def keys(self, layer: int) -> Tensor:
        """A view of K by heads."""
        model, cache = self.scene.model, self._rows("k", layer)
        ne = (self.key_head(layer), model.kv_heads[layer], self.cells, self.scene.streams)
        head = cache.nb[1] // max(1, model.kv_heads[layer])
        return self.scene.b.view(cache, ne, (head, cache.nb[1], cache.nb[2]))

    def values(self, layer: int) -> Tensor:
        """A view of V by heads, in columns without flash attention."""
        scene, cache = self.scene, self._rows("v", layer)
        head, heads = self.value_head(layer), scene.model.kv_heads[layer]
        if not scene.setting.columns:
            size = cache.nb[1] * head // max(1, cache.ne[0])
            ne = (head, heads, self.cells, scene.streams)
            return scene.b.view(cache, ne, (size, cache.nb[1], cache.nb[2]))
        column = cache.nb[1] * self.cells // max(1, cache.ne[0])  # one element of every cell
        ne = (self.cells, heads, head, scene.streams)
        return scene.b.view(cache, ne, (column * head, column, column * cache.ne[0]))
