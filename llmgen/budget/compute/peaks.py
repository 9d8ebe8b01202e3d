"""How large each arena gets: a graph with few layers is made once, and replayed for all cells."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from msgspec import Struct

from llmgen.budget.builds import Rule
from llmgen.budget.compute.ground import (
    MOST_RECORDED,
    Ground,
    describe_scene,
    key_of,
    key_of_model,
    layers_of,
    of_any_cells,
    scene_of,
)
from llmgen.budget.compute.layer_kinds import layer_kinds
from llmgen.budget.graph.repeats import Shortened, shortened
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.shared import owner
from llmgen.budget.graph.tensor import MARKED
from llmgen.budget.remembered import Remembered
from llmgen.budget.schedule.lives import Lives
from llmgen.budget.schedule.operations import Operation, operations
from llmgen.budget.schedule.pieces import Piece, piece
from llmgen.budget.schedule.split import COPIES, MOST_INPUTS, Schedule, schedule
from llmgen.budget.schedule.tape import Tape
from llmgen.budget.server.geometry import Geometry

# How many repetitions are walked, and of how many periods, one after the other until the arenas
# repeat; then twice as many each time.
_TRIES: Final[tuple[tuple[int, int], ...]] = ((2, 1), (2, 2), (2, 3), (4, 1))
# Where this part of the layers has to be walked, all are: few left out are not worth a second try.
_NEARLY_ALL: Final = 0.8


class Recorded(Struct, frozen=True):
    """A tape, and pairs of marks at which the arenas have to be equal.

    ``pieces`` are what was replayed of it, by the cells of windows; ``operations`` are those for
    which backends may take memory beside it.
    """

    tape: Tape
    equal: tuple[tuple[int, int], ...]
    pieces: dict[int, list[Piece]]
    operations: frozenset[Operation]


# Graphs that were made, the same by what they are made of, and which of the tries sufficed.
_RECORDED: Remembered[Recorded] = Remembered(MOST_RECORDED)
_ALIKE: Remembered[Recorded] = Remembered(MOST_RECORDED)
_SUFFICED: Remembered[list[int]] = Remembered(MOST_RECORDED)


class Peaks(Struct, frozen=True):
    """The peak of each arena, and the operations of the graph, each kind once."""

    arenas: list[int]
    operations: frozenset[Operation]


def peaks_of(ground: Ground, names: Sequence[str]) -> Peaks:
    """The peak of each arena, replayed with as few layers as that takes."""
    counts, tries = ground.setting.counts, _TRIES
    if (ground.pipelined and ground.recipe.own_inputs) or ground.setting.read:
        # Copies for all layers are alive from the start, or some of their inputs to the end.
        tries = ((ground.model.trunk, 1),)
    some = of_any_cells(ground)
    key = key_of(some)
    sufficed = _SUFFICED.get((tries, *key), ground, lambda: [0])
    while True:
        recorded = _recorded(some, names, _try(tries, sufficed[0]), key)
        found = _piece(recorded, len(names), counts)
        if found.settled:
            arenas = [constant + each * counts.cells for constant, each in found.peaks]
            return Peaks(arenas, recorded.operations)
        sufficed[0] += 1


def _try(tries: Sequence[tuple[int, int]], number: int) -> tuple[int, int]:
    """Repetitions, and periods of each."""
    if number < len(tries):
        return tries[number]
    kept, fold = tries[-1]
    return kept << (number - len(tries) + 1), fold


def _piece(recorded: Recorded, count: int, counts: Geometry) -> Piece:
    """The peaks for a range of cells, replayed once."""
    cells = counts.cells
    known = recorded.pieces.setdefault(counts.window_cells, [])
    for found in known:
        if found.first <= cells <= found.last:
            return found
    made = piece(recorded.tape, count, cells, counts.window_cells, recorded.equal)
    known.append(made)
    return made


def _recorded(
    ground: Ground, names: Sequence[str], walked: tuple[int, int], key: tuple[Hashable, ...]
) -> Recorded:
    """A tape of so many repetitions of each layer, of so many periods each."""

    def made() -> Recorded:
        if ground.setting.drafts:
            return _made(ground, Shortened(tuple(layers_of(ground)), ()), names)
        kinds = layer_kinds(ground)
        few = _few(kinds, walked)
        if ground.recipe.every:
            return _made(ground, few, names)
        alike = _alike(ground, kinds, few, names)
        return _ALIKE.get(alike, ground, lambda: _made(ground, few, names))

    return _RECORDED.get((walked, *key), ground, made)


def _few(kinds: Sequence[Hashable], walked: tuple[int, int]) -> Shortened:
    """The layers to walk."""
    few = shortened(kinds, *walked)
    nearly = len(few.layers) >= _NEARLY_ALL * len(kinds)
    return Shortened(tuple(range(len(kinds))), ()) if nearly else few


def _made(ground: Ground, few: Shortened, names: Sequence[str]) -> Recorded:
    scene, plan = scheduled(ground, names, few)
    lives = Lives()
    lives.run(plan.leafs, plan.nodes)
    marks = {layer: lives.marks[id(scene.ends[layer])] for pair in few.equal for layer in pair}
    equal = tuple((marks[first], marks[second]) for first, second in few.equal)
    return Recorded(lives.tape, equal, {}, operations(plan.nodes, scene.matrices))


def _alike(
    ground: Ground, kinds: Sequence[Hashable], few: Shortened, names: Sequence[str]
) -> tuple[Hashable, ...]:
    """What the graph of those layers depends on, whatever their numbers are.

    Most divisions over the same devices differ in nothing of it.
    """
    model, placement = ground.model, ground.placement
    at = {layer: place for place, layer in enumerate(few.layers)}
    equal = tuple((at[first], at[second]) for first, second in few.equal)
    read = [owner(model, layer) for layer in few.layers] if model.owners < model.trunk else []
    return (
        *(tuple(kinds[layer] for layer in few.layers), equal, tuple(map(placement.of, read))),
        *(placement.output, placement.layers[0], tuple(names)),
        *(ground.setting, ground.pipelined, *key_of_model(ground)),
    )


def scheduled(ground: Ground, names: Sequence[str], few: Shortened) -> tuple[Scene, Schedule]:
    """Those layers, split over the backends; behind the ``equal`` ones arenas are asked for."""
    scene = scene_of(ground, names, few.layers)
    describe_scene(scene, ground.recipe)
    for pair in few.equal:
        for layer in pair:
            scene.ends[layer].flags |= MARKED
    bounded = scene.follows(Rule.SPLIT_INPUTS_BOUNDED)
    copies, most = COPIES if ground.pipelined else 1, MOST_INPUTS if bounded else 0
    return scene, schedule(scene.b, len(names) - 1, copies=copies, most=most)
