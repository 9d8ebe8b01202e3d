"""What a description reads: one model under one server's settings, and the graph that it fills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from llmgen.budget.builds import Rule
from llmgen.budget.graph.builder import Builder
from llmgen.budget.graph.names import names_of
from llmgen.budget.graph.tensor import OUTPUT, Tensor
from llmgen.budget.graph.weights import Matrices, Undescribed
from llmgen.budget.server.geometry import Geometry
from llmgen.budget.shape.hyperparameters import Hyperparameters

# graph_get_cb in llama-context.cpp.
_TIED: Final = ("norm", "l_last")


class Setting(Struct, frozen=True, cache_hash=True):
    """How a context runs: counts, kernels, cache types, and what it is asked for."""

    counts: Geometry
    flash: bool
    kv_offload: bool
    type_k: str
    type_v: str
    # Whether the context hands over embeddings, and how it pools them.
    embeddings: bool
    pooling: str
    # How many tokens back each slot's state is kept, for drafts that are refused.
    rollback: int = 0
    # Whether the blocks behind the trunk run, and nothing else: they draft.
    drafts: bool = False
    # V lies in rows although attention is not fused: that was found out behind the cache.
    rows: bool = False
    # Attention that is not fused runs beside a cache on the host.
    pinned: bool = False
    # Operations that are not done at once, but in parts.
    apart: tuple[str, ...] = ()
    # Rows of logits whose tokens are picked where those are.
    samplers: int = 0
    # Layers whose input a model that drafts reads, too.
    read: tuple[int, ...] = ()

    @property
    def columns(self) -> bool:
        """Whether V lies in columns."""
        return not (self.flash or self.rows)


class Scene:
    """One graph in the making: ``b`` builds it, the rest is what its nodes depend on."""

    def __init__(
        self,
        model: Hyperparameters,
        setting: Setting,
        matrices: Matrices,
        layers: Sequence[int],
        *,
        homes: Sequence[int],
        host: int,
    ) -> None:
        """``layers`` are described; ``homes`` has the backend of every layer."""
        self.b = Builder()
        self.model, self.setting, self.matrices = model, setting, matrices
        self._names = names_of(model.name)
        self.layers, self.homes, self.host = layers, homes, host
        counts = setting.counts
        self.tokens, self.outputs = counts.ubatch, counts.outputs
        if self.follows(Rule.LOGITS_FOR_MICRO_BATCH):
            self.outputs = counts.ubatch
        self.slots, self.streams = counts.slots, counts.streams
        self.embedding = model.embedding
        self.last = model.trunk - 1
        # States of a slot: that behind its last token, and those before.
        self.kept = 1 + setting.rollback
        # The result of each described layer.
        self.ends: dict[int, Tensor] = {}
        self.results: dict[str, Tensor] = {}
        # Whether norms and last operations of layers run on the device of their layer.
        self.ties = False
        # The input with rows of later layers in it.
        self.wide: Tensor

    def follows(self, rule: Rule) -> bool:
        """Whether the build follows a rule."""
        return rule in self.model.build

    def call(self, tensor: Tensor, name: str, layer: int = -1) -> Tensor:
        """Name a tensor (``cb``).

        A server ties norms to the device of their layer by that name; a scheduler that only sizes
        its buffers forgets it again (``ggml_backend_sched_reserve_size`` resets), as here where
        nothing ``ties``.
        """
        if self.ties and layer >= 0 and name in _TIED:
            tensor.backend = self.homes[layer]
        tensor.name, tensor.layer = self._names.get(name, name), layer
        return tensor

    def cache_home(self, layer: int) -> int:
        """The backend in whose buffer the cache of a layer lies."""
        return self.homes[layer] if self.setting.kv_offload else self.host

    def weight(self, name: str, layer: int = -1) -> Tensor | None:
        """A tensor of the model, if it has it."""
        return self.matrices.get(name, layer)

    def needed(self, name: str, layer: int = -1) -> Tensor:
        """A tensor without which this graph cannot be."""
        found = self.matrices.get(name, layer)
        if found is None:
            raise Undescribed(name)
        return found

    def clamp(self, of: Tensor) -> Tensor:
        """A tensor within limits."""
        over = self.follows(Rule.CLAMPS_OVER)
        return self.b.in_place("CLAMP", of) if over else self.b.each("CLAMP", of)

    def give(self, what: str, tensor: Tensor) -> Tensor:
        """A result that the program reads, and so nothing takes its place."""
        self.results[what] = tensor
        tensor.flags |= OUTPUT
        return tensor

    def end(self, layer: int, result: Tensor) -> Tensor:
        """Mark the end of a layer; what is handed to another model stays until the end."""
        self.ends[layer] = result
        if layer + 1 in self.setting.read:
            result.flags |= OUTPUT
        return result
