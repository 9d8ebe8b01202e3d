"""Which tensors are loaded, and where they land."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from llmgen.budget.builds import Rule
from llmgen.budget.memory import HOST
from llmgen.budget.server.overrides import Overrides, is_expert, overrides
from llmgen.budget.server.placement import LayerPlacement
from llmgen.budget.settings import ServerSettings
from llmgen.budget.shape.architectures import Architecture
from llmgen.budget.shape.hyperparameters import Hyperparameters
from llmgen.budget.shape.rows import padded
from llmgen.facts.gguf_facts import TensorGroup

# ggml pads each tensor in a buffer to 32 bytes on the CPU (TENSOR_ALIGNMENT); CUDA pads to 128,
# which is at most 96 bytes more for each tensor.
_ALIGNMENT: Final = 32
# What weights are, by which they are summed.
EXPERTS: Final = "experts"
EMBEDDING: Final = "token embedding"
_EMBEDDING: Final = "token_embd.weight"
_OUTPUT: Final = "output.weight"

# Tensors without a layer number, by LLM_TENSOR_INFOS of src/llama-arch.cpp (b11434). Inputs stay
# on the host; "first" ones belong to layer 0, "each" ones to every device that has layers; all
# others to the output.
_INPUTS: Final = ("token_embd.weight", "position_embd.", "token_types.", "per_layer_token_embd.")
_FIRST: Final = (
    "token_embd_norm.",
    "per_layer_model_proj.",
    "per_layer_proj_norm.",
    "hrm.z_l_init",
    "conv1d.",
)
_EACH: Final = ("rope_freqs.", "rope_factors_long.", "rope_factors_short.")
_FUSED_EXPERTS: Final = "blk.#.ffn_gate_up_exps.weight"
_ATTENTION_BIASES: Final = tuple(f"blk.#.attn_{name}.bias" for name in "qkv")
# GGML_OP_NONE: no graph reads them.
_UNUSED: Final = ("masked_embd_centroids.", "masked_embd_ordering.")


class Weights(Struct, frozen=True):
    """Bytes on each device, by what they are.

    ``output`` is where the output matrix is, and so the logits are computed.
    """

    on: dict[str, Counter[str]]
    output: str

    def total(self, device: str) -> int:
        """Bytes of all weights on ``device``."""
        return sum(self.on[device].values()) if device in self.on else 0


def weights(
    tensors: tuple[TensorGroup, ...],
    model: Hyperparameters,
    placement: LayerPlacement,
    settings: ServerSettings,
    *,
    nextn_loaded: bool,
) -> Weights:
    """Sum the loaded tensors by device."""
    nextn_loaded = nextn_loaded or Rule.NEXTN_LOADED in model.build
    on: dict[str, Counter[str]] = {name: Counter() for name in (HOST, *placement.devices)}
    loading = _Loading(
        model.rules,
        placement,
        overrides(settings),
        last=model.blocks if nextn_loaded else model.blocks - model.nextn,
        late=tuple(_loaded_late(model)),
        scaled=_scaled_layers(model),
        tied=_is_tied(tensors, model),
        mapped=is_mapped(settings),
    )
    for group in tensors:
        size = padded(group.bytes_each, _ALIGNMENT)
        for device, count in loading.homes(group).items():
            on[device][_kind(group)] += size * count
    return Weights(on, loading.output())


def _loaded_late(model: Hyperparameters) -> Iterator[str]:
    """What is loaded of nextn blocks that are not: how the patterns begin."""
    yield from model.rules.nextn_loaded
    if Rule.NEXTN_BIAS_LOADED in model.build:
        yield from _ATTENTION_BIASES
    if Rule.NEXTN_EXPERTS_LOADED in model.build:
        yield _FUSED_EXPERTS


def _scaled_layers(model: Hyperparameters) -> tuple[int, ...]:
    """Layers whose rotation has factors."""
    marks, full = model.windows.layers, model.rules.factors_full
    return tuple(il for il in range(model.blocks) if not full or not marks[il])


def _is_tied(tensors: tuple[TensorGroup, ...], model: Hyperparameters) -> bool:
    """Whether the token embedding is asked for again as the output matrix."""
    return model.rules.tied and not any(group.pattern == _OUTPUT for group in tensors)


def is_mapped(settings: ServerSettings) -> bool:
    """Whether weights on the host are mapped files; auto maps where the system can."""
    return settings.load_mode not in ("none", "dio")


def _kind(group: TensorGroup) -> str:
    if group.layers:
        return EXPERTS if is_expert(group) else "layers"
    return EMBEDDING if group.pattern.startswith("token_embd.w") else "output and norms"


def outside(name: str, rules: Architecture, placement: LayerPlacement) -> str:
    """The device of a tensor without a layer, where no option moves it."""
    if name.startswith(_INPUTS):
        return HOST
    if name.startswith(_FIRST) and not rules.norm_at_end:
        return placement.layers[0]
    return placement.output


class _Loading(Struct, frozen=True):
    """One run of the loader: where each tensor goes."""

    rules: Architecture
    placement: LayerPlacement
    moved: Overrides
    # Where the loaded layers end, and the patterns that are loaded behind them.
    last: int
    late: tuple[str, ...]
    # The layers that read shared factors of the rotation.
    scaled: tuple[int, ...]
    tied: bool
    mapped: bool

    def homes(self, group: TensorGroup) -> Mapping[str, int]:
        """How many tensors of a group lie on each device."""
        if not group.layers:
            return self._outside(group)
        layers = self._loaded(group)
        if not self.moved:
            return self.placement.count(layers)
        return Counter(self.moved.of(group, il) or self.placement.of(il) for il in layers)

    def _loaded(self, group: TensorGroup) -> Sequence[int]:
        layers: Sequence[int] = group.layers
        late = group.pattern.startswith(self.late)
        if not late and self.last < len(self.placement.layers):
            layers = [il for il in group.layers if il < self.last]
        return layers

    def output(self) -> str:
        """The device of the output matrix, which may be the embedding."""
        matrix = TensorGroup(_EMBEDDING if self.tied else _OUTPUT, "", (), (), 0)
        return self.moved.of(matrix, None) or self.placement.output

    def _outside(self, group: TensorGroup) -> Counter[str]:
        if group.pattern.startswith(_UNUSED):
            return Counter()
        if group.pattern.startswith(_EACH):
            return Counter({self.placement.layers[il] for il in self.scaled})
        return self._requested(self.moved.of(group, None), group.pattern)

    def _requested(self, moved: str | None, name: str) -> Counter[str]:
        """A tensor that is asked for twice on one device is there once, if the order allows."""
        homes = Counter(moved or device for device in self._devices(name))
        twice = name == _EMBEDDING and self.rules.output_first and not self.mapped
        return homes if twice else Counter(set(homes))

    def _devices(self, name: str) -> Iterator[str]:
        if name == _EMBEDDING:
            yield HOST
            if self.tied:  # asked for once more as the output matrix
                yield self.placement.output
        else:
            yield outside(name, self.rules, self.placement)
