"""When each tensor of a graph takes a place and when it gives it back (``ggml_gallocr``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llmgen.budget.graph.ops import IN_PLACE
from llmgen.budget.graph.tensor import MARKED, OUTPUT, Tensor, nbytes
from llmgen.budget.schedule.arena import Arena
from llmgen.budget.schedule.tape import CellBytes, Tape, sized


class Lives:
    """The tape in the making; ``tensors`` are those that had each slot, one after the other."""

    def __init__(self) -> None:
        """Nothing has happened."""
        self.tape = Tape([], [], [], [])
        self.tensors: list[list[tuple[int, Tensor]]] = []
        # Marks by the ``id`` of their tensor.
        self.marks: dict[int, int] = {}
        self._sizes: dict[int, CellBytes] = {}

    def run(self, leafs: Iterable[Tensor], nodes: Sequence[Tensor]) -> Tape:
        """What ``ggml_gallocr_alloc_graph_impl`` does; ``Tensor.backend`` is set."""
        for leaf in leafs:
            if not leaf.owned and leaf.home < 0:
                self._take(leaf)
        for node in nodes:
            if node.root is not None and node.op != "NONE":
                node.root.views += 1
            for source in node.sources:
                source.children += 1
        for node in nodes:
            self._compute(node)
            if node.flags & MARKED:
                mark = self.marks.setdefault(id(node), len(self.marks))
                self.tape.events.append(-1 - mark)
                self.tape.marked.append((node.root or node).place)
        return self.tape

    def _compute(self, node: Tensor) -> None:
        sources = node.sources
        for source in sources:
            if not source.owned and source.root is None and source.home < 0:
                self._take(source)
        if node.owned or node.root is not None or node.home >= 0:
            pass  # it has its place
        elif node.op not in IN_PLACE or not self._replace(node):
            self._take(node)
        for source in sources:
            source.children -= 1
            if source.children or source.views:
                continue
            root = source.root
            if root is None:
                if source.owned:
                    self._give(source)
                continue
            root.views -= 1
            if not root.views and not root.children and root.owned:
                self._give(root)

    def _take(self, tensor: Tensor) -> None:
        number = tensor.bytes or nbytes(tensor.kind, tensor.ne, tensor.nb)
        size = self._sizes.get(number)
        if size is None:
            size = self._sizes[number] = sized(number)
        tape, slot = self.tape, len(self.tape.sizes)
        tape.sizes.append(size)
        tape.backends.append(tensor.backend)
        tensor.owned, tensor.place = True, slot
        self.tensors.append([(len(tape.events), tensor)])
        tape.events.append(2 * slot)

    def _replace(self, node: Tensor) -> bool:
        """Whether a source that nothing else reads leaves its place to ``node``."""
        for parent in node.sources:
            if not parent.owned or parent.flags & OUTPUT or parent.children != 1 or parent.views:
                continue
            if parent.kind != node.kind or parent.ne != node.ne or parent.nb != node.nb:
                continue
            node.owned, node.place, node.backend = True, parent.place, parent.backend
            parent.owned = False
            self.tensors[node.place].append((len(self.tape.events), node))
            return True
        return False

    def _give(self, tensor: Tensor) -> None:
        if not tensor.flags & OUTPUT:
            self.tape.events.append(2 * tensor.place + 1)
            tensor.owned = False


def alive_at_peaks(
    lives: Lives, sizes: Sequence[int], count: int
) -> list[list[tuple[Tensor, int]]]:
    """For each of ``count`` backends what is alive when its arena gets as large as it does."""
    tape = lives.tape
    arenas, places = [Arena() for _ in range(count)], [0] * len(sizes)
    alive: list[dict[int, None]] = [{} for _ in range(count)]
    found: list[list[tuple[Tensor, int]]] = [[] for _ in range(count)]
    for index, event in enumerate(tape.events):
        if event < 0:
            continue
        slot, backend = event >> 1, tape.backends[event >> 1]
        arena = arenas[backend]
        if event & 1:
            arena.give(places[slot], sizes[slot])
            del alive[backend][slot]
            continue
        before, places[slot] = arena.peak, arena.take(sizes[slot])
        alive[backend][slot] = None
        if arena.peak > before:
            found[backend] = [
                (_at(lives.tensors[one], index), sizes[one]) for one in alive[backend]
            ]
    return found


def _at(tensors: Sequence[tuple[int, Tensor]], index: int) -> Tensor:
    """Which tensor has a slot at an event."""
    return [tensor for event, tensor in tensors if event <= index][-1]
