"""Which layers are alike: those of one kind have the same nodes in the same places."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from llmgen.budget.compute.ground import MOST_RECORDED, Ground, key_of_model
from llmgen.budget.graph.recipe import Rope
from llmgen.budget.graph.shared import owner
from llmgen.budget.remembered import Remembered
from llmgen.facts.gguf_facts import TensorGroup

# Classes of layers, wherever they run.
_CLASSES: Remembered[tuple[int, ...]] = Remembered(MOST_RECORDED)


def layer_kinds(ground: Ground) -> list[Hashable]:
    """What decides the nodes of each layer and where they run: layers of one kind are alike."""
    model, placement = ground.model, ground.placement
    if ground.recipe.every:
        return list(range(model.trunk))
    classes = _CLASSES.get(key_of_model(ground), ground, lambda: tuple(_classes(ground)))
    homes = map(placement.of, range(model.trunk))
    return list(zip(homes, classes, _borrowed(ground), strict=True))


def _classes(ground: Ground) -> Iterator[int]:
    """A number for each layer: equal ones have the same nodes, if they run on one device."""
    numbers: dict[Hashable, int] = {}
    for kind in zip(*_parts(ground), strict=True):
        yield numbers.setdefault(kind, len(numbers))


def _parts(ground: Ground) -> Iterator[Sequence[Hashable]]:
    """What differs between layers; each has an element for every layer of the trunk."""
    model, recipe = ground.model, ground.recipe
    trunk = range(model.trunk)
    for listed in (
        *(model.windows.layers, model.heads, model.kv_heads, model.feed_forward),
        *(model.recurrent, model.indexed),
    ):
        yield listed[: model.trunk]
    yield from _tensors(ground)
    if each := model.header.count(recipe.routed_each) if recipe.routed_each else 0:
        yield [(il + 1) % each == 0 for il in trunk]
    deep = model.header.count("n_deepstack_layers")
    yield [il < deep for il in trunk]
    if recipe.rope is Rope.SKIPPED:
        yield [(il + 1) % recipe.skipped == 0 for il in trunk]
    if recipe.rope is Rope.WINDOWED_OR_DENSE:
        dense = model.header.count("leading_dense_block_count")
        yield [il < dense for il in trunk]
    yield [il < recipe.sparse for il in trunk]


def _tensors(ground: Ground) -> Iterator[Sequence[Hashable]]:
    """Shapes of tensors that not all layers have alike, and where options put them."""
    model, moved = ground.model, ground.moved
    patterns: dict[str, list[TensorGroup]] = {}
    for group in ground.tensors:
        if group.layers:
            patterns.setdefault(group.pattern, []).append(group)
    for groups in patterns.values():
        shapes = {group.shape for group in groups}
        count = sum(len(group.layers) for group in groups)
        if len(shapes) == 1 and count >= model.trunk and not moved:
            continue
        found: list[Hashable] = [None] * model.trunk
        for group in groups:
            for il in group.layers:
                if il < model.trunk:
                    found[il] = (group.shape, moved.of(group, il) if moved else None)
        yield found


def _borrowed(ground: Ground) -> Iterator[Hashable]:
    """Whose cache each layer reads, and which one it is if that has to be copied.

    With pipeline copies those of all layers have their place from the start, so none is left out.
    """
    model, placement = ground.model, ground.placement
    for il in range(model.trunk):
        at = owner(model, il)
        far = ground.pipelined and placement.of(at) != placement.of(il)
        yield at < il, il if far else None
