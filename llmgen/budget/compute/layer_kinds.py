"""Which layers are alike: those of one kind have the same nodes in the same places."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from llmgen.budget.compute.ground import Ground
from llmgen.budget.graph.recipe import Rope
from llmgen.budget.graph.shared import owner
from llmgen.facts.gguf_facts import TensorGroup


def layer_kinds(ground: Ground) -> list[Hashable]:
    """What decides the nodes of each layer and where they run: layers of one kind are alike."""
    model, placement = ground.model, ground.placement
    parts: list[Sequence[Hashable]] = [
        [placement.of(il) for il in range(model.trunk)],
        model.windows.layers,
        model.heads,
        model.kv_heads,
        model.feed_forward,
        model.recurrent,
        model.indexed,
    ]
    patterns: dict[str, list[TensorGroup]] = {}
    for group in ground.tensors:
        if group.layers:
            patterns.setdefault(group.pattern, []).append(group)
    for groups in patterns.values():
        shapes = {group.shape for group in groups}
        count = sum(len(group.layers) for group in groups)
        if len(shapes) == 1 and count >= model.trunk and not ground.moved:
            continue
        found: list[Hashable] = [None] * model.layers
        for group in groups:
            for il in group.layers:
                if il < model.layers:
                    found[il] = (group.shape, ground.moved.of(group, il) if ground.moved else None)
        parts.append(found)
    recipe = ground.recipe
    if recipe.every:
        return list(range(model.trunk))
    if each := model.header.count(recipe.routed_each) if recipe.routed_each else 0:
        parts.append([(il + 1) % each == 0 for il in range(model.trunk)])
    deep = model.header.count("n_deepstack_layers")
    parts.append([il < deep for il in range(model.trunk)])
    if recipe.rope is Rope.SKIPPED:
        parts.append([(il + 1) % recipe.skipped == 0 for il in range(model.trunk)])
    if recipe.rope is Rope.WINDOWED_OR_DENSE:
        dense = model.header.count("leading_dense_block_count")
        parts.append([il < dense for il in range(model.trunk)])
    parts += ([il < recipe.sparse for il in range(model.trunk)], list(_borrowed(ground)))
    return [tuple(part[il] for part in parts) for il in range(model.trunk)]


def _borrowed(ground: Ground) -> Iterator[Hashable]:
    """Whose cache each layer reads, and which one it is if that has to be copied.

    With pipeline copies those of all layers have their place from the start, so none is left out.
    """
    model, placement = ground.model, ground.placement
    for il in range(model.trunk):
        at = owner(model, il)
        far = ground.pipelined and placement.of(at) != placement.of(il)
        yield at < il, il if far else None
