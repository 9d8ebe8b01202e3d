"""Which tensors are loaded, and where they land."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from llmgen.budget.hyperparameters import Hyperparameters
from llmgen.budget.model import HOST, ServerSettings
from llmgen.budget.overrides import Overrides, is_expert, overrides
from llmgen.budget.placement import Placement
from llmgen.budget.rows import padded
from llmgen.facts.model import TensorGroup

# ggml pads each tensor in a buffer to 32 bytes on the CPU (TENSOR_ALIGNMENT); CUDA pads to 128,
# which is at most 96 bytes more for each tensor.
_ALIGNMENT: Final = 32
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
    "hrm_z_l_init",
    "conv1d.",
)
_EACH: Final = ("rope_freqs.", "rope_factors_long.", "rope_factors_short.")
# GGML_OP_NONE: no graph reads them.
_UNUSED: Final = ("masked_embd_centroids.", "masked_embd_ordering.")


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes on each device, by what they are.

    ``copied_expert`` is the largest expert matrix that lies on the host while its layer runs on a
    device.
    """

    on: dict[str, Counter[str]]
    copied_expert: int

    def total(self, device: str) -> int:
        """Bytes of all weights on ``device``."""
        return sum(self.on.get(device, Counter()).values())


def weights(
    tensors: tuple[TensorGroup, ...],
    model: Hyperparameters,
    placement: Placement,
    settings: ServerSettings,
    *,
    nextn_loaded: bool,
) -> Weights:
    """Sum the loaded tensors by device."""
    on: dict[str, Counter[str]] = {name: Counter() for name in (HOST, *placement.devices)}
    moved, last = overrides(settings), model.blocks if nextn_loaded else model.blocks - model.nextn
    copied = 0
    tied = not any(group.pattern == _OUTPUT for group in tensors)
    for group in tensors:
        size = padded(group.bytes_each, _ALIGNMENT)
        for device, count in _homes(group, placement, moved, last, tied=tied).items():
            on[device][_kind(group)] += size * count
            if device == HOST and placement.layers[-1] != HOST and is_expert(group):
                copied = max(copied, size)
    return Weights(on, copied)


def _kind(group: TensorGroup) -> str:
    if group.layers:
        return "experts" if is_expert(group) else "layers"
    return "token embedding" if group.pattern.startswith("token_embd.w") else "output and norms"


def _homes(
    group: TensorGroup, placement: Placement, moved: Overrides, last: int, *, tied: bool
) -> Counter[str]:
    """How many tensors of a group lie on each device."""
    if not group.layers:
        return _single_homes(group, placement, moved, tied=tied)
    if not moved:
        return Counter(placement.layers[il] for il in group.layers if il < last)
    return Counter(moved.of(group, il) or placement.layers[il] for il in group.layers if il < last)


def _single_homes(
    group: TensorGroup, placement: Placement, moved: Overrides, *, tied: bool
) -> Counter[str]:
    name = group.pattern
    if name.startswith(_UNUSED):
        return Counter()
    if name.startswith(_EACH):
        return Counter(set(placement.layers))
    homes = Counter(dict.fromkeys(_single_devices(name, placement, tied=tied), 1))
    return moved.move(group, None, homes) if moved else homes


def _single_devices(name: str, placement: Placement, *, tied: bool) -> Iterator[str]:
    if name == _EMBEDDING:
        yield HOST
        if tied:  # asked for once more as the output matrix; one buffer holds it once
            yield placement.output
    elif name.startswith(_INPUTS):
        yield HOST
    elif name.startswith(_FIRST):
        yield placement.layers[0]
    else:
        yield placement.output
