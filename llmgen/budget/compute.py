"""The compute buffers: the largest set of activations that is alive at once in the worst graph.

``llama_context`` reserves a prompt graph of one micro-batch with a full cache; the buffer is a
maximum over the few stages that can dominate it, not a sum. Each stage below is one such set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from llmgen.budget.geometry import Geometry
from llmgen.budget.hyperparameters import Hyperparameters
from llmgen.budget.rows import F32
from llmgen.units import MIB

# Architectures that have dense feed-forward blocks beside their routed experts.
_MIXED: Final = ("llama4", "gemma4")
_DELTA: Final = ("qwen3next", "qwen35", "qwen35moe")
_STATE_SPACE: Final = ("mamba", "mamba2", "jamba", "falcon-h1")


class Stage(NamedTuple):
    """Activations that are alive together, with the bytes that they take."""

    what: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Work:
    """One graph: a model, its counts, and which kernels it uses."""

    model: Hyperparameters
    counts: Geometry
    flash: bool

    @property
    def column(self) -> int:
        """Bytes of one f32 element for each token of the micro-batch."""
        return F32 * self.counts.ubatch

    @property
    def stream(self) -> int:
        """The residual stream."""
        return self.model.embedding * self.column

    @property
    def query(self) -> int:
        """The widest query of any layer."""
        return max(map(self._query_width, range(self.model.layers)), default=0) * self.column

    def _query_width(self, layer: int) -> int:
        model = self.model
        windowed = model.windows.layers[layer]
        return model.heads[layer] * (model.key_length_window if windowed else model.key_length)

    @property
    def mask(self) -> int:
        """The attention masks: one row of cells for each token, full and windowed."""
        counts = self.counts
        cells = (counts.cells if self._has_full_layer() else 0) + counts.window_cells
        return cells * counts.ubatch * (2 if self.flash else 4)

    def _has_full_layer(self) -> bool:
        model = self.model
        if not model.rules.has_cache:
            return False
        return any(
            heads and not windowed and (not state or model.name == "falcon-h1")
            for heads, windowed, state in zip(
                model.kv_heads, model.windows.layers, model.recurrent, strict=True
            )
        )

    @property
    def layer_inputs(self) -> int:
        """Per-layer embeddings of Gemma 3n and 4, all layers at once."""
        default = 256 if self.model.name == "gemma3n" else 0
        width = self.model.header.count("embedding_length_per_layer_input") or default
        return width * self.model.layers * self.column

    @property
    def indexed(self) -> bool:
        """Whether scores of a lightning indexer are alive."""
        return self.model.mla and bool(self.model.indexer_width)


def device_compute(work: Work) -> Stage:
    """The buffer of a device that runs layers and the output."""
    largest = max(stages(work), key=lambda stage: stage.bytes)
    return Stage(largest.what, largest.bytes + _kept(work))


def host_compute(work: Work) -> int:
    """The host's buffer when everything is offloaded: the inputs of the graph."""
    scores = work.mask if work.indexed else 0
    return work.mask + 2 * work.stream + work.layer_inputs + scores


def stages(work: Work) -> Iterator[Stage]:
    """Everything that can be the largest set."""
    base = work.mask + 2 * work.stream
    yield Stage("logits", 2 * work.stream + work.counts.outputs * work.model.vocabulary * F32)
    yield from _feed_forward(work, base)
    yield _attention(work, base)
    if work.model.name in _DELTA:
        inner = work.model.header.count("ssm.inner_size")
        groups = work.model.header.count("ssm.group_count")
        convolved = inner + 2 * groups * work.model.header.count("ssm.state_size")
        yield Stage("gated delta net", base + (2 * convolved + 2 * inner) * work.column)
    if work.model.name in _STATE_SPACE:
        inner = work.model.header.count("ssm.inner_size")
        yield Stage("state space", base + 6 * inner * work.column)


def _feed_forward(work: Work, base: int) -> Iterator[Stage]:
    model, column = work.model, work.column
    used = model.header.most("expert_used_count")
    dense = max(model.feed_forward, default=0)
    lead = model.header.count("leading_dense_block_count")
    if dense and (not used or lead or model.name in _MIXED):
        beside = 2 * work.stream if model.mla else work.query
        yield Stage("feed-forward", base + 3 * dense * column + beside + work.layer_inputs)
    if used:
        width = model.header.most("expert_feed_forward_length")
        gathered = max(3 * used * width, used * width + 2 * used * model.embedding)
        yield Stage("experts", base + gathered * column)


def _attention(work: Work, base: int) -> Stage:
    model, counts = work.model, work.counts
    heads = max(model.heads, default=0)
    if not work.flash:
        scores = counts.cells * heads * work.column if work.mask else 0
        return Stage("attention scores", base + work.query + scores)
    if not model.mla:
        return Stage("attention", base + 3 * work.query)
    latent = model.header.count("attention.kv_lora_rank", 512)
    width = latent + model.header.count("attention.key_length_mla")
    return Stage("latent attention", base + work.query + heads * width * work.column)


def _kept(work: Work) -> int:
    """What stays alive through all stages."""
    if work.model.name == "gemma3n":
        return 6 * work.stream  # altup keeps several residual streams
    if work.indexed:
        return 5 * work.counts.cells * work.counts.ubatch + 290 * MIB
    return 0
