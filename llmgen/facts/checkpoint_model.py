"""The facts of a checkpoint: safetensors files with the config.json that says what they are."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from msgspec import Struct

from llmgen.facts.gguf_facts import HeaderValue, ModelFile
from llmgen.facts.safetensors import tensor_bytes


class StoredGroup(Struct, frozen=True):
    """Tensors of one name pattern, type and shape.

    ``pattern`` writes the layer number as ``#`` and every later number (an expert's) as ``*``;
    each layer of ``layers`` has ``each`` of them. A tensor outside the layers has ``layers == ()``.
    ``shape`` is the file's order, the outermost dimension first.
    """

    pattern: str
    type: str
    shape: tuple[int, ...]
    layers: tuple[int, ...] = ()
    each: int = 1

    @property
    def elements(self) -> int:
        """Elements of one tensor."""
        return prod(self.shape)

    @property
    def bytes_total(self) -> int:
        """Bytes of all of them as stored."""
        return tensor_bytes(self.type, self.shape) * self.each * (len(self.layers) or 1)


class CheckpointFacts(Struct, frozen=True):
    """One checkpoint, all its files together.

    ``config`` has the values of config.json that a rule reads, nested ones by dotted names
    (``text_config.head_dim``, ``quantization_config.quant_method``).
    """

    architecture: str
    config: Mapping[str, HeaderValue]
    tensors: tuple[StoredGroup, ...]
    files: tuple[ModelFile, ...]
    header_sha256: str = ""

    @property
    def size_bytes(self) -> int:
        """Size of all files, as downloaded."""
        return sum(file.size_bytes for file in self.files)

    @property
    def bytes_stored(self) -> int:
        """Bytes of all tensors, as stored."""
        return sum(group.bytes_total for group in self.tensors)
