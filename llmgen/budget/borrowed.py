"""Caches that layers read from other layers, and what that costs across devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llmgen.budget.builds import Rule
from llmgen.budget.hyperparameters import Hyperparameters
from llmgen.budget.logits import is_pooled, logits
from llmgen.budget.model import HOST
from llmgen.budget.placement import Placement
from llmgen.budget.rows import row_bytes
from llmgen.budget.work import Work

# GGML_SCHED_MAX_COPIES: with pipeline parallelism, every input of a device exists four times.
PIPELINE_COPIES = 4


# GGML_SCHED_MAX_SPLIT_INPUTS: a split with as many inputs ends there, and what it copied is freed.
_SPLIT_INPUTS = 30
# Streams and masks that the first split of a device reads beside the caches.
_OTHER_INPUTS = 4


def fetched_caches(work: Work, placement: Placement, device: str, *, piped: bool) -> int:
    """Bytes of other devices' caches that the borrowing layers of ``device`` copy to it.

    Gemma 3n and 4: layers behind the owners read the cache of the last owner of their kind, each
    through a copy of its own.
    """
    own = [il for il in range(work.model.layers) if placement.of(il) == device]
    sizes = {il: size for il in own if (size := _copied(work, placement, il))}
    if not sizes:
        return 0
    if piped:
        return sum(sizes.values()) * PIPELINE_COPIES
    if not work.kv_offload and not borrows_all(work, own):
        return _behind_owner(work, sizes, crossed=own[0] > 0)
    if Rule.SPLIT_INPUTS_BOUNDED in work.model.build:
        return _largest_split(work, own, sizes) - _reused(work, own, sizes)
    return sum(sizes.values()) - _reused(work, own, sizes)


def borrows_all(work: Work, layers: Sequence[int]) -> bool:
    """Whether no layer of a device has a cache of its own, which would divide its graph."""
    return bool(layers) and layers[0] >= work.model.owners


def below_logits(work: Work, fetched: int) -> int:
    """What stays below the logits where pooled rows come late and one layer's copy is no room."""
    widest = max(_layer_bytes(work, layer) for layer in range(work.model.owners)) if fetched else 0
    late = is_pooled(work) and logits(work) > widest
    return fetched + work.mask + 2 * work.stream if late and fetched else 0


def _copied(work: Work, placement: Placement, layer: int) -> int:
    """What one layer copies, if it borrows and the lender is on another device."""
    if layer < work.model.owners:
        return 0
    source = _lender(work.model, layer)
    home = placement.of(source) if work.kv_offload else HOST
    return _layer_bytes(work, source) if placement.of(layer) != home else 0


def _largest_split(work: Work, own: Sequence[int], sizes: Mapping[int, int]) -> int:
    """The caches of the split that copies most, without per-layer inputs of the others."""
    splits, inputs = [0], _OTHER_INPUTS
    absent = 0
    for layer in own:
        if inputs >= _SPLIT_INPUTS:
            splits.append(0)
            inputs = 0
        if layer in sizes:
            splits[-1] += sizes[layer]
            inputs += 2
        inputs += 1 if work.layer_inputs else 0
        absent += len(splits) > 1 or inputs > _SPLIT_INPUTS
    return max(splits) - absent * work.layer_inputs // work.model.layers


def _behind_owner(work: Work, sizes: Mapping[int, int], *, crossed: bool) -> int:
    """The same where a split starts with the last layer that has a cache, on the host, too."""
    if Rule.SPLIT_INPUTS_BOUNDED not in work.model.build:
        return sum(sizes.values())
    each = 3 if crossed and work.layer_inputs else 2  # rows for the layer come with its copies
    most = _SPLIT_INPUTS // each
    copied = list(sizes.values())
    later = (sum(copied[at : at + most]) for at in range(most - 1, len(copied), most))
    owned = max(_layer_bytes(work, layer) for layer in range(work.model.owners))
    # The owner's own copy, which every stage counts, is only in the first.
    return max(sum(copied[: most - 1]), *(size - owned for size in later), 0)


def _reused(work: Work, own: Sequence[int], sizes: Mapping[int, int]) -> int:
    """What a block finds room for where the copies of the layers before it were."""
    stream, gate = work.stream, max(work.model.feed_forward) * work.column
    first = sizes.get(own[0], 0)
    rows = work.query + stream
    if first >= rows:
        return rows + min((first - rows) // gate, 2) * gate
    return 0


def _lender(model: Hyperparameters, layer: int) -> int:
    marks = model.windows.layers
    same = (il for il in reversed(range(model.owners)) if marks[il] == marks[layer])
    return next(same, model.owners - 1)


def _layer_bytes(work: Work, layer: int) -> int:
    model, counts = work.model, work.counts
    windowed = model.windows.layers[layer]
    cells = (counts.window_cells if windowed else counts.cells) * counts.streams
    row = row_bytes(work.type_k, model.key_width(layer))
    return (row + row_bytes(work.type_v, model.value_width(layer))) * cells
