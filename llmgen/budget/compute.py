"""The compute buffer of every device: a graph, its schedule, and an arena for each backend.

``llama_context`` reserves the graph of one micro-batch of a prompt with a full cache
(``graph_reserve``). Where its graph is not known, that of a general recipe stands for it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.builds import Rule
from llmgen.budget.graph import nextn
from llmgen.budget.graph.decoder import describe
from llmgen.budget.graph.general import BARE, WIDE, general
from llmgen.budget.graph.implied import implied
from llmgen.budget.graph.recipe import Recipe, Rope
from llmgen.budget.graph.repeats import Shortened, shortened
from llmgen.budget.graph.scene import Scene, Setting
from llmgen.budget.graph.shared import owner
from llmgen.budget.graph.tensor import MARKED, Tensor
from llmgen.budget.graph.weights import OUTPUT_LAYER, Homes, Implied, Matrices, Undescribed
from llmgen.budget.held.weights import outside
from llmgen.budget.model import HOST, SettingRefused
from llmgen.budget.remembered import Remembered
from llmgen.budget.schedule.arena import Arena
from llmgen.budget.schedule.assign import assign
from llmgen.budget.schedule.lives import Lives, alive_at_peaks
from llmgen.budget.schedule.pieces import Piece, piece
from llmgen.budget.schedule.split import COPIES, MOST_INPUTS, Schedule, schedule
from llmgen.budget.schedule.tape import FULL, WINDOWED, Tape
from llmgen.budget.server.geometry import Geometry
from llmgen.budget.server.overrides import Overrides
from llmgen.budget.server.placement import Placement
from llmgen.budget.server.settings import refuse_quantized_values
from llmgen.budget.shape.damaged import DAMAGED
from llmgen.budget.shape.hyperparameters import Hyperparameters
from llmgen.budget.shape.rows import is_quantized
from llmgen.facts.model import TensorGroup

# How many repetitions are walked, and of how many periods, one after the other until the arenas
# repeat; then twice as many each time.
_TRIES: Final[tuple[tuple[int, int], ...]] = ((2, 1), (2, 2), (2, 3), (4, 1))
_MOST_RECORDED = 512
# Tokens of each slot in the graphs in which a context looks for fused delta nets.
_DELTA_PROBES = (1, 16)
# Micro-batches of fewer tokens have ties to the devices of layers, as those that are wholly there.
_TIED_BELOW = 32
_WHOLE = "the graph of one micro-batch"


class Ground(Struct, frozen=True):
    """What a graph stands on: a model's tensors and where they are."""

    model: Hyperparameters
    tensors: tuple[TensorGroup, ...]
    placement: Placement
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


class Buffer(Struct, frozen=True):
    """One compute buffer; ``parts`` are names and bytes that add up to it."""

    bytes: int
    parts: tuple[tuple[str, int], ...]


class Computed(Struct, frozen=True):
    """The buffers of all devices and the host; ``guessed`` where parts of the graph are.

    ``pinned`` is what the host's has more in a server than where llama.cpp measures it.
    """

    buffers: dict[str, Buffer]
    guessed: bool = False
    pinned: int = 0


def compute_buffers(ground: Ground, *, explained: bool = False) -> Computed:
    """A buffer for every device of ``Placement.devices``, then one for the host.

    A model that lacks a tensor of its graph has those that its header implies, or a general graph.
    Raises SettingRefused where no graph can be.
    """
    names = (*ground.placement.devices, HOST)
    if not _layers(ground):  # nothing drafts
        return Computed({name: Buffer(0, ()) for name in (HOST, *names)})
    for tried in _grounds(ground):
        try:
            found, fused = _resolved(tried, names)
            made = _buffers(found, names, explained=explained)
        except Undescribed:
            continue
        except SettingRefused:
            raise
        except (ArithmeticError, LookupError, ValueError):
            break  # numbers that contradict each other
        guessed = tried.guessed > 1 or tried.recipe.special == WIDE or not fused
        guessed = guessed or (tried.setting.drafts and _has_streams(tried.model))
        more = _pinned(found, names, made[HOST].bytes)
        return Computed({HOST: made[HOST], **made}, guessed, more)
    message = f"the header of this `{ground.model.name}` and its tensors make no graph"
    raise SettingRefused("model", message, DAMAGED)


def _has_streams(model: Hyperparameters) -> bool:
    """Whether a nextn block has several streams, of which its description knows one."""
    return model.header.count("hyper_connection.count") > 1


def whole_graph(ground: Ground) -> Schedule:
    """The graph with every layer, split over the backends: devices in their order, the host last.

    Raises Undescribed if the model lacks a tensor that its graph needs.
    """
    names = (*ground.placement.devices, HOST)
    every = Shortened(tuple(_layers(ground)), ())
    found, _ = _resolved(ground, names)
    return _scheduled(found, names, every)[1]


def _grounds(ground: Ground) -> Iterator[Ground]:
    """What is tried one after the other."""
    yield ground
    yield replace(ground, guessed=1)
    recipe = general(ground.model, ground.tensors)
    yield replace(ground, guessed=2, recipe=recipe)
    yield replace(ground, guessed=3, recipe=replace(recipe, special=BARE, every=True))


def _buffers(ground: Ground, names: Sequence[str], *, explained: bool) -> dict[str, Buffer]:
    if explained:
        return dict(zip(names, _explained(ground, names), strict=True))
    peaks = _peaks(ground, names)
    return {name: Buffer(peak, ((_WHOLE, peak),)) for name, peak in zip(names, peaks, strict=True)}


def _pinned(ground: Ground, names: Sequence[str], host: int) -> int:
    """What attention takes on the host, where ``build_attn_mha`` pins it beside its cache.

    Without flash attention alone. ``llama-fit-params`` forgets the pin before it measures, so the
    figures of devices have these scores, too; a server has them on the host.
    """
    setting = ground.setting
    if setting.kv_offload or setting.flash:
        return 0
    pinned = replace(ground, setting=replace(setting, pinned=True))
    return max(0, _peaks(pinned, names)[-1] - host)


def _resolved(ground: Ground, names: Sequence[str]) -> tuple[Ground, bool]:
    """The ground with what a context finds out in first graphs (``resolve_fused_ops``).

    False with it where another operation than flash attention is not done at once: the graph of its
    parts has no recipe. Those that a recipe has in parts, too, are asked for one by one.
    """
    if ground.automatic and _apart(ground, names, "FLASH_ATTN_EXT", 1):
        if is_quantized(ground.setting.type_v):
            _refuse_apart(ground)
        else:
            ground = replace(ground, setting=replace(ground.setting, flash=False, rows=True))
    for op in ground.recipe.fused:
        if _apart(ground, names, op, 1):
            apart = (*ground.setting.apart, op)
            ground = replace(ground, setting=replace(ground.setting, apart=apart))
    fused = not any(_apart(ground, names, "GATED_DELTA_NET", each) for each in _DELTA_PROBES)
    return ground, fused


def _refuse_apart(ground: Ground) -> None:
    """Later builds do not look where V is quantised, earlier ones refuse."""
    if Rule.QUANTISED_V_LEAVES_AUTO in ground.model.build:
        refuse_quantized_values(ground.model, ground.setting.type_v)


def _apart(ground: Ground, names: Sequence[str], op: str, each: int) -> bool:
    """Whether an operation runs elsewhere than its layer, with ``each`` tokens a slot."""
    setting, placement = ground.setting, ground.placement
    simple = setting.kv_offload and placement.is_full and not ground.moved
    if simple or (op == "GATED_DELTA_NET" and "delta" not in ground.recipe.mixer):
        return False
    key = (op, each, *_key(_of_any_cells(ground)))
    return _APART.get(key, ground, lambda: _runs_apart(ground, names, op, each))


def _runs_apart(ground: Ground, names: Sequence[str], op: str, each: int) -> bool:
    setting = ground.setting
    rows = setting.counts.slots * each
    counts = replace(setting.counts, ubatch=rows, outputs=rows)
    probe = replace(ground, setting=replace(setting, counts=counts))
    scene = _scene(probe, names, _layers(ground))
    tied = rows < _TIED_BELOW or ground.placement.is_full
    scene.ties = tied and op in ground.recipe.fused
    _describe(scene, ground.recipe)
    assign(scene.b, len(names) - 1)
    asked = (node for node in scene.b.nodes if node.op == op and node.layer >= 0)
    return any(node.backend != scene.homes[node.layer] for node in asked)


class Recorded(Struct, frozen=True):
    """A tape, and pairs of marks at which the arenas have to be equal.

    ``pieces`` are what was replayed of it, by the cells of windows.
    """

    tape: Tape
    equal: tuple[tuple[int, int], ...]
    pieces: dict[int, list[Piece]]


# Graphs that were made, where operations ran, and which of the tries sufficed.
_RECORDED: Remembered[Recorded] = Remembered(_MOST_RECORDED)
_APART: Remembered[bool] = Remembered(_MOST_RECORDED)
_SUFFICED: Remembered[list[int]] = Remembered(_MOST_RECORDED)


def _peaks(ground: Ground, names: Sequence[str]) -> list[int]:
    """The peak of each arena, replayed with as few layers as that takes."""
    counts, tries = ground.setting.counts, _TRIES
    if ground.pipelined and ground.recipe.own_inputs:
        tries = ((ground.model.trunk, 1),)  # copies for all layers are alive from the start
    some = _of_any_cells(ground)
    key = _key(some)
    sufficed = _SUFFICED.get((tries, *key), ground, lambda: [0])
    while True:
        recorded = _recorded(some, names, _try(tries, sufficed[0]), key)
        found = _piece(recorded, len(names), counts)
        if found.settled:
            return [constant + each * counts.cells for constant, each in found.peaks]
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


def _of_any_cells(ground: Ground) -> Ground:
    """The ground with caches of so many cells that each size tells how it grows with them."""
    recipe, setting = ground.recipe, ground.setting
    fewest = ground.model.header.count(recipe.linear_from) if recipe.linear_from else 0
    if not recipe.linear or setting.counts.cells < fewest:
        return ground
    some = replace(setting.counts, context=0, cells=FULL, window_cells=WINDOWED)
    return replace(ground, setting=replace(setting, counts=some))


def _recorded(
    ground: Ground, names: Sequence[str], walked: tuple[int, int], key: tuple[Hashable, ...]
) -> Recorded:
    """A tape of so many repetitions of each layer, of so many periods each."""

    def made() -> Recorded:
        few = _few(ground, *walked)
        lives, scene = _lives(ground, names, few)
        marks = {layer: lives.marks[id(scene.ends[layer])] for pair in few.equal for layer in pair}
        equal = tuple((marks[first], marks[second]) for first, second in few.equal)
        return Recorded(lives.tape, equal, {})

    return _RECORDED.get((walked, *key), ground, made)


def _few(ground: Ground, kept: int, fold: int) -> Shortened:
    """The layers to walk."""
    if ground.setting.drafts:
        return Shortened(tuple(_layers(ground)), ())
    return shortened(layer_kinds(ground), kept, fold)


def _layers(ground: Ground) -> range:
    """Every layer that the graph runs; of several nextn blocks one at a time."""
    model = ground.model
    nextn_block = range(model.trunk, min(model.trunk + 1, model.layers))
    return nextn_block if ground.setting.drafts else range(model.trunk)


def _key(ground: Ground) -> tuple[Hashable, ...]:
    """All that a graph depends on; what is remembered by it keeps the model alive."""
    place = (ground.setting, ground.pipelined, ground.placement, ground.moved_by, ground.guessed)
    return *place, id(ground.tensors), id(ground.model.header.values), ground.model.build


def _lives(ground: Ground, names: Sequence[str], few: Shortened) -> tuple[Lives, Scene]:
    scene, plan = _scheduled(ground, names, few)
    lives = Lives()
    lives.run(plan.leafs, plan.nodes)
    return lives, scene


def _scheduled(ground: Ground, names: Sequence[str], few: Shortened) -> tuple[Scene, Schedule]:
    scene = _scene(ground, names, few.layers)
    _describe(scene, ground.recipe)
    for pair in few.equal:
        for layer in pair:
            scene.ends[layer].flags |= MARKED
    bounded = scene.follows(Rule.SPLIT_INPUTS_BOUNDED)
    copies, most = COPIES if ground.pipelined else 1, MOST_INPUTS if bounded else 0
    return scene, schedule(scene.b, len(names) - 1, copies=copies, most=most)


def _describe(scene: Scene, recipe: Recipe) -> None:
    """By the recipe, or by the module of its own that it names: ``describe(scene, recipe)``."""
    if scene.setting.drafts:
        nextn.describe(scene, recipe)
    elif recipe.special:
        import_module(f"llmgen.budget.graph.special.{recipe.special}").describe(scene, recipe)
    else:
        describe(scene, recipe)


def _explained(ground: Ground, names: Sequence[str]) -> Iterator[Buffer]:
    """Buffers with the tensors that are alive at their peak, all layers walked."""
    every = Shortened(tuple(_layers(ground)), ())
    lives, _ = _lives(ground, names, every)
    sizes = [size.of(0, 0) for size in lives.tape.sizes]
    arenas = [Arena() for _ in names]
    lives.tape.replay(arenas, 0, 0)
    for arena, alive in zip(arenas, alive_at_peaks(lives, sizes, len(names)), strict=True):
        yield Buffer(arena.peak, tuple(_parts(arena.peak, alive)))


def _parts(peak: int, alive: Iterable[tuple[Tensor, int]]) -> Iterator[tuple[str, int]]:
    """What is alive at the peak, largest first, and the room between."""
    rest = peak
    for tensor, size in sorted(alive, key=lambda item: -item[1]):
        rest -= size
        yield tensor.said, size
    yield "between them", rest


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


def _scene(ground: Ground, names: Sequence[str], layers: Sequence[int]) -> Scene:
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


def _implied(ground: Ground) -> Implied | None:
    return partial(implied, ground.model) if ground.guessed else None


def _homes(ground: Ground, index: dict[str, int]) -> Homes:
    placement, moved, rules = ground.placement, ground.moved, ground.model.rules

    def home(group: TensorGroup, layer: int) -> int:
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
