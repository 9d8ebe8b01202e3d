"""What a graph stands on, and the graph that is described on it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from importlib import import_module

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.graph import nextn
from llmgen.budget.graph.decoder import describe
from llmgen.budget.graph.implied import implied
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.sampling import sample
from llmgen.budget.graph.scene import Scene, Setting
from llmgen.budget.graph.weights import OUTPUT_LAYER, Implied, Matrices, WeightHome
from llmgen.budget.held.weights import outside
from llmgen.budget.memory import HOST
from llmgen.budget.schedule.tape import FULL, WINDOWED
from llmgen.budget.server.overrides import Overrides
from llmgen.budget.server.placement import LayerPlacement
from llmgen.budget.shape.hyperparameters import Hyperparameters
from llmgen.facts.gguf_facts import TensorGroup

# Grounds of which something is remembered: a planner asks for the same ones again.
MOST_RECORDED = 512


class Ground(Struct, frozen=True):
    """What a graph stands on: a model's tensors and where they are."""

    model: Hyperparameters
    tensors: tuple[TensorGroup, ...]
    placement: LayerPlacement
    moved: Overrides
    # The options that ``moved`` was read from.
    moved_by: tuple[object, ...]
    setting: Setting
    # Several devices that share all layers, and nothing kept away from them.
    pipelined: bool
    recipe: Recipe
    # Flash attention stays on only where it runs on the devices of its layers.
    automatic: bool = False
    # How much is guessed: 0 nothing, 1 tensors that the file lacks, 2 and 3 the recipe, too.
    guessed: int = 0


def layers_of(ground: Ground) -> range:
    """Every layer that the graph runs; of several nextn blocks behind others one at a time."""
    model = ground.model
    if ground.setting.drafts and not model.trunk:
        return range(model.layers)
    nextn_block = range(model.trunk, min(model.trunk + 1, model.layers))
    return nextn_block if ground.setting.drafts else range(model.trunk)


def key_of(ground: Ground) -> tuple[Hashable, ...]:
    """All that a graph depends on; what is remembered by it keeps the model alive."""
    return ground.setting, ground.pipelined, ground.placement, *key_of_model(ground)


def key_of_model(ground: Ground) -> tuple[Hashable, ...]:
    """What of it is neither the context's nor a division over devices."""
    ids = id(ground.tensors), id(ground.model.header.values)
    return *ids, ground.model.build, ground.moved_by, ground.guessed


def of_any_cells(ground: Ground) -> Ground:
    """The ground with caches of so many cells that each size tells how it grows with them."""
    recipe, setting = ground.recipe, ground.setting
    fewest = ground.model.header.count(recipe.linear_from) if recipe.linear_from else 0
    if not recipe.linear or setting.counts.cells < fewest:
        return ground
    some = replace(setting.counts, context=0, cells=FULL, window_cells=WINDOWED)
    return replace(ground, setting=replace(setting, counts=some))


def scene_of(ground: Ground, names: Sequence[str], layers: Sequence[int]) -> Scene:
    """Where those layers are described: tensors and caches, each on its backend."""
    model, placement = ground.model, ground.placement
    index = {name: place for place, name in enumerate(names)}
    homes = [index[placement.of(il)] for il in range(model.layers)]
    return Scene(
        model,
        ground.setting,
        Matrices(ground.tensors, _homes(ground, index), _implied(ground), ground.recipe.unread),
        layers,
        homes=homes,
        host=index[HOST],
    )


def describe_scene(scene: Scene, recipe: Recipe) -> None:
    """By the recipe, or by the module of its own that it names: ``describe(scene, recipe)``."""
    if scene.setting.drafts and scene.model.trunk:
        nextn.describe(scene, recipe)
    elif recipe.special:
        import_module(f"llmgen.budget.graph.special.{recipe.special}").describe(scene, recipe)
    else:
        describe(scene, recipe)
    if scene.setting.samplers:
        sample(scene, scene.setting.samplers)


def _implied(ground: Ground) -> Implied | None:
    return partial(implied, ground.model) if ground.guessed else None


def _homes(ground: Ground, index: dict[str, int]) -> WeightHome:
    placement, moved, rules = ground.placement, ground.moved, ground.model.rules
    layers = () if moved else tuple(index[name] for name in placement.layers)

    def home(group: TensorGroup, layer: int) -> int:
        if 0 <= layer < len(layers):
            return layers[layer]
        found = moved.of(group, layer if layer >= 0 else None) if moved else None
        if found is None:
            if layer == OUTPUT_LAYER:
                found = placement.output
            elif layer >= 0:
                found = placement.of(layer)
            else:
                found = outside(group.pattern, rules, placement)
        return index[found]

    return home
