"""The compute buffer of every device: a graph, its schedule, and an arena for each backend.

``llama_context`` reserves the graph of one micro-batch of a prompt with a full cache
(``graph_reserve``). Where its graph is not known, that of a general recipe stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.compute.fused import resolved
from llmgen.budget.compute.ground import Ground, layers_of
from llmgen.budget.compute.peaks import Peaks, peaks_of, scheduled
from llmgen.budget.graph.general import BARE, WIDE, general
from llmgen.budget.graph.repeats import Shortened
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.graph.weights import Undescribed
from llmgen.budget.memory import HOST
from llmgen.budget.schedule.arena import Arena
from llmgen.budget.schedule.lives import Lives, alive_at_peaks
from llmgen.budget.schedule.operations import Operation
from llmgen.budget.schedule.split import Schedule
from llmgen.budget.server.geometry import Geometry
from llmgen.budget.settings import SettingRefused
from llmgen.budget.shape.contradictions import DAMAGED

_WHOLE = "the graph of one micro-batch"


class Buffer(Struct, frozen=True):
    """One compute buffer; ``parts`` are names and bytes that add up to it."""

    bytes: int
    parts: tuple[tuple[str, int], ...]


class Computed(Struct, frozen=True):
    """The buffers of all devices and the host; ``guessed`` where parts of the graph are.

    ``pinned`` is what the host's has more in a server than where llama.cpp measures it; ``noted``
    are operations for which backends may take memory beside, and ``counts`` their cells.
    """

    buffers: dict[str, Buffer]
    guessed: bool = False
    pinned: int = 0
    noted: frozenset[Operation] = frozenset()
    counts: Geometry | None = None

    def operations(self) -> Iterator[Operation]:
        """The noted ones at the cells of this context; the host is their last backend."""
        if self.counts is not None:
            cells, windowed = self.counts.cells, self.counts.window_cells
            yield from (item.of(cells, windowed) for item in self.noted)


def compute_buffers(ground: Ground, *, explained: bool = False) -> Computed:
    """A buffer for every device of ``Placement.devices``, then one for the host.

    A model that lacks a tensor of its graph has those that its header implies, or a general graph.
    Raises SettingRefused where no graph can be.
    """
    names = (*ground.placement.devices, HOST)
    if not layers_of(ground):  # nothing drafts
        return Computed({name: Buffer(0, ()) for name in (HOST, *names)})
    for tried in _grounds(ground):
        try:
            found, fused = resolved(tried, names)
            reserved = tuple(_reserved(found))
            peaks = [peaks_of(item, names) for item in reserved]
            made = _buffers(reserved, names, peaks, explained=explained)
        except Undescribed:
            continue
        except SettingRefused:
            raise
        except (ArithmeticError, LookupError, ValueError):
            break  # numbers that contradict each other
        guessed = tried.guessed > 1 or tried.recipe.special == WIDE or not fused
        more = _pinned(found, names, made[HOST].bytes)
        buffers = {HOST: made[HOST], **made}
        return Computed(buffers, guessed, more, peaks[0].operations, found.setting.counts)
    message = f"the header of this `{ground.model.name}` and its tensors make no graph"
    raise SettingRefused("model", message, DAMAGED)


def _reserved(ground: Ground) -> Iterator[Ground]:
    """The graph of a prompt; where tokens are picked beside logits, that of one token a slot, too.

    A server's buffers are as large as either needs (``sched_reserve``), and rows of the vocabulary
    for each slot may be most of both.
    """
    yield ground
    setting, slots = ground.setting, ground.setting.counts.slots
    if setting.samplers:
        counts = replace(setting.counts, ubatch=slots, tokens=slots, outputs=slots)
        rows = min(setting.samplers, slots)
        yield replace(ground, setting=replace(setting, counts=counts, samplers=rows))


def whole_graph(ground: Ground) -> Schedule:
    """The graph with every layer, split over the backends: devices in their order, the host last.

    Raises Undescribed if the model lacks a tensor that its graph needs.
    """
    names = (*ground.placement.devices, HOST)
    every = Shortened(tuple(layers_of(ground)), ())
    found, _ = resolved(ground, names)
    return scheduled(found, names, every)[1]


def _grounds(ground: Ground) -> Iterator[Ground]:
    """What is tried one after the other."""
    yield ground
    yield replace(ground, guessed=1)
    recipe = general(ground.model, ground.tensors)
    yield replace(ground, guessed=2, recipe=recipe)
    yield replace(ground, guessed=3, recipe=replace(recipe, special=BARE, every=True))


def _buffers(
    grounds: Sequence[Ground], names: Sequence[str], peaks: Sequence[Peaks], *, explained: bool
) -> dict[str, Buffer]:
    """For each backend that of the graph that needs the larger one."""
    if explained:
        made = [tuple(_explained(ground, names)) for ground in grounds]
    else:
        made = [tuple(Buffer(peak, ((_WHOLE, peak),)) for peak in it.arenas) for it in peaks]
    largest = (max(each, key=lambda it: it.bytes) for each in zip(*made, strict=True))
    return dict(zip(names, largest, strict=True))


def _pinned(ground: Ground, names: Sequence[str], host: int) -> int:
    """What attention takes on the host, where ``build_attn_mha`` pins it beside its cache.

    Without flash attention alone. ``llama-fit-params`` forgets the pin before it measures, so the
    figures of devices have these scores, too; a server has them on the host.
    """
    setting = ground.setting
    if setting.kv_offload or setting.flash:
        return 0
    pinned = replace(ground, setting=replace(setting, pinned=True))
    return max(0, peaks_of(pinned, names).arenas[-1] - host)


def _explained(ground: Ground, names: Sequence[str]) -> Iterator[Buffer]:
    """Buffers with the tensors that are alive at their peak, all layers walked."""
    every = Shortened(tuple(layers_of(ground)), ())
    _, plan = scheduled(ground, names, every)
    lives = Lives()
    lives.run(plan.leafs, plan.nodes)
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
