"""The facts of a GGUF header that the budget and the planner need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from msgspec import Struct

Scalar: TypeAlias = int | float | bool | str
HeaderValue: TypeAlias = Scalar | tuple[Scalar, ...]

# "file:PATH" as llm.toml writes it, "hf:REPO:QUANT-OR-FILE[@REVISION]", "ollama:NAME", …; for
# checkpoints of safetensors "folder:PATH" and "repo:REPO[:@REVISION]".
ModelRef: TypeAlias = str


class TensorGroup(Struct, frozen=True):
    """Tensors of one name pattern, type and shape: one for each layer in ``layers``.

    ``pattern`` writes the layer number as ``#`` (``blk.#.attn_k.weight``); a tensor outside the
    layers has no ``#`` and ``layers == ()``. ``type`` is ggml's name (``q4_K``), ``shape`` is
    ggml's order, ``ne0`` first. ``bytes_each`` is one tensor's data size.
    """

    pattern: str
    type: str
    shape: tuple[int, ...]
    layers: tuple[int, ...]
    bytes_each: int

    @property
    def count(self) -> int:
        """How many tensors stand behind this group."""
        return len(self.layers) or 1

    @property
    def bytes_total(self) -> int:
        """Bytes of all of them together."""
        return self.bytes_each * self.count


class ModelFile(Struct, frozen=True):
    """One file of a model: the name below its source, its size, its digest where known."""

    name: str
    size_bytes: int
    sha256: str = ""


class GgufFacts(Struct, frozen=True):
    """One model (all shards together) or one projector, as its header describes it.

    ``hyperparameters`` are the header's values with the ``<architecture>.`` prefix stripped
    (``block_count``, ``attention.head_count`` …), arrays as tuples; of other values only those
    that a rule reads are kept, under their whole name (``general.name``,
    ``tokenizer.ggml.model`` …). ``vocabulary`` is the number of tokens (0: none in the header).
    """

    architecture: str
    hyperparameters: Mapping[str, HeaderValue]
    vocabulary: int
    tensors: tuple[TensorGroup, ...]
    files: tuple[ModelFile, ...]
    header_sha256: str = ""

    @property
    def size_bytes(self) -> int:
        """Size of all files, as downloaded."""
        return sum(file.size_bytes for file in self.files)


# What is known of a model that is no GGUF file.
NO_FACTS: Final = GgufFacts("", {}, 0, (), ())
