"""The tensors of a model as a graph finds them: by llama.cpp's names, each on its backend."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from typing import Final

from llmgen.budget.graph.tensor import KINDS, NOWHERE, WEIGHT, Extents, Tensor, strides
from llmgen.facts.gguf_facts import TensorGroup

# A backend for a group of tensors, and for one of its layers (-1: a tensor outside of the layers).
WeightHome = Callable[[TensorGroup, int], int]
# The extents of a tensor that a file lacks, if its header implies some.
Implied = Callable[[str, int], tuple[int, ...] | None]

_LAYER: Final = "blk.#."
_NUMBER: Final = re.compile(r"blk\.\d+\.")
# The embedding as the output matrix, and the layer that ``homes`` is then asked for.
TIED: Final = "token_embd.weight as output"
OUTPUT_LAYER: Final = -2
# Without these, the embedding is the output, and a feed-forward is another one.
_OUTPUT: Final = "output.weight"
_GATE: Final = "ffn_gate.weight"
_UP: Final = "ffn_up.weight"


class Undescribed(LookupError):
    """A graph that no recipe describes: a tensor that it needs is not there."""


class Matrices:
    """Every tensor of one model; ``homes`` says on which backend one is.

    Where there is ``implied``, it makes what the file lacks, or has with fewer extents; ``unread``
    are names that a loader takes and the graph does not read.
    """

    def __init__(
        self,
        groups: tuple[TensorGroup, ...],
        homes: WeightHome,
        implied: Implied | None = None,
        unread: Container[str] = (),
    ) -> None:
        """Find groups by pattern; one pattern has several where types or shapes differ."""
        self._implied, self._unread = implied, unread
        self._groups: dict[str, list[TensorGroup]] = {}
        for group in groups:
            self._groups.setdefault(group.pattern, []).append(group)
        # Most of what graphs ask for, biases and scales, no layer has.
        self._names = {TIED, *(pattern.rsplit(_LAYER, 1)[-1] for pattern in self._groups)}
        self._homes = homes
        self._made: dict[tuple[str, int], Tensor | None] = {}
        # Which of two stacks of layers is meant: ``enc.`` or ``dec.``; most models have one.
        self.stack = ""
        # Which block of the file a layer reads, where that is another one; scales are its own.
        self.blocks: dict[int, int] = {}

    def get(self, name: str, layer: int = NOWHERE) -> Tensor | None:
        """``attn_q.weight`` of a layer, or a tensor outside of them; None if the model has none."""
        if name not in self._names and self._implied is None:
            return None
        block = layer
        if self.blocks and not name.endswith(".scale"):
            block = self.blocks.get(layer, layer)
        key = (name, block)
        if key not in self._made:
            self._made[key] = self._make(*key)
        return self._made[key]

    def each(self, name: str, home: int) -> Tensor | None:
        """A tensor outside of the layers that every device of a layer has: factors of rotations."""
        key = (name, home)
        if key not in self._made:
            found = self.get(name)
            self._made[key] = again(found, home) if found else None
        return self._made[key]

    def kinds_of(self, tensor: Tensor) -> set[tuple[str, int]]:
        """Type and bytes of a weight, and of those that other layers have of its name and shape."""
        groups = self._groups.get(_NUMBER.sub(_LAYER, tensor.name), ())
        alike = (group for group in groups if _extents(group.shape) == tensor.ne)
        found = {(_kind(group), group.bytes_each) for group in alike}
        return found | {(tensor.kind, tensor.bytes)}

    def output(self) -> Tensor:
        """The output matrix: the embedding once more where the file has none."""
        found = self.get(_OUTPUT)
        if found is None:
            found = self.get(TIED)
        if found is None:
            raise Undescribed(_OUTPUT)
        return found

    def output_home(self) -> int:
        """Where an output matrix is, or would be."""
        return self._homes(_made_up(_OUTPUT, (), NOWHERE), OUTPUT_LAYER)

    def _make(self, name: str, layer: int) -> Tensor | None:
        if name in self._unread:
            return None
        pattern = name if layer < 0 else self.stack + _LAYER + name
        if name == TIED:
            found = self.get("token_embd.weight")
            groups = self._groups.get("token_embd.weight", (_made_up(name, (), layer),))
            return again(found, self._homes(groups[0], OUTPUT_LAYER)) if found else None
        extents = self._implied(name, layer) if self._implied else None
        for group in self._groups.get(pattern, ()):
            if layer < 0 or layer in group.layers:
                few = extents is not None and len(group.shape) < len(extents)
                shape = extents if extents and few else group.shape
                return _held(group, shape, layer, self._homes(group, layer))
        lacks = name == _OUTPUT or (name == _GATE and self.stack + _LAYER + _UP in self._groups)
        if not extents or lacks:
            return None
        group = _made_up(pattern, extents, layer)
        return _held(group, extents, layer, self._homes(group, layer))


def again(tensor: Tensor, home: int) -> Tensor:
    """The same tensor once more, on another backend: a tied output."""
    kind, name = tensor.kind, tensor.name
    return Tensor("NONE", kind, tensor.ne, tensor.nb, [], None, WEIGHT, home, name=name)


def _made_up(pattern: str, extents: tuple[int, ...], layer: int) -> TensorGroup:
    return TensorGroup(pattern, "f16", extents, () if layer < 0 else (layer,), 0)


def _extents(shape: tuple[int, ...]) -> Extents:
    wide = (*shape, 1, 1, 1, 1)
    return (wide[0], wide[1], wide[2], wide[3])


def _kind(group: TensorGroup) -> str:
    # Its bytes matter only where a weight is copied, which none of other types is.
    return group.type if group.type in KINDS else "f32"


def _held(group: TensorGroup, shape: tuple[int, ...], layer: int, home: int) -> Tensor:
    ne, kind = _extents(shape), _kind(group)
    size, name = group.bytes_each, group.pattern.replace("#", str(layer))
    return Tensor("NONE", kind, ne, strides(kind, ne), [], None, WEIGHT, home, size, name)
