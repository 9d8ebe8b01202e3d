"""A diagram in llama-swap's matrix language, and what it can weigh at most.

``any of these models, three times`` is ``+k & +k & +k``: a set may name a model twice, so it
stands for every choice of up to three. Every node with alternatives becomes a set of its own that
others refer to; llama-swap allows such a part by itself too, which is a subset of a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from llmgen.plan.diagram import Diagram
from llmgen.plan.packing import EqualModels
from llmgen.plan.plan import Footprint

# Name of the set that stands for all; parts of it come after it, wished sets before.
WHOLE = "b"


class _Writer(Struct, frozen=True):
    """A diagram with the names that its parts have."""

    diagram: Diagram
    variables: Mapping[str, str]
    width: int

    def kind(self, level: int, count: int) -> list[str]:
        """All members of a kind, or any ``count`` of them."""
        members = self.diagram.pack.kinds[level].members
        if count == len(members):
            return [self.variables[name] for name in members]
        return [f"+{self.name('k', level)}"] * count

    def alternative(self, level: int, count: int, child: int) -> str:
        """What to take, down to the next node with alternatives."""
        words, node = self.kind(level, count), self.diagram.nodes[child]
        while len(node.alternatives) == 1:
            ((more, child),) = node.alternatives
            words += self.kind(node.level, more)
            node = self.diagram.nodes[child]
        if node.alternatives:
            words.append(f"+{self.name('n', child)}")
        return " & ".join(words)

    def node(self, at: int) -> str:
        """A node's alternatives; none that takes nothing."""
        node = self.diagram.nodes[at]
        found = (self.alternative(node.level, *item) for item in node.alternatives)
        return " | ".join(dict.fromkeys(filter(None, found)))

    def name(self, letter: str, number: int) -> str:
        return f"{letter}{number:0{self.width}}"


def expressions(
    diagram: Diagram, variables: Mapping[str, str], pinned: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """(set name, expression), the whole one first; ``variables`` maps model names to variables."""
    width = len(str(max(len(diagram.nodes), len(diagram.pack.kinds))))
    writer = _Writer(diagram, variables, width)
    pins = " & ".join(variables[name] for name in pinned)
    texts = {WHOLE: _both(pins, writer.node(diagram.root))}
    texts |= {
        writer.name("n", at): writer.node(at)
        for at in _reached(diagram)
        if at != diagram.root and len(diagram.nodes[at].alternatives) > 1
    }
    for level, item in enumerate(diagram.pack.kinds):
        name = writer.name("k", level)
        if any(f"+{name}" in text for text in texts.values()):
            texts[name] = " | ".join(variables[member] for member in item.members)
    return ((name, text) for name, text in texts.items() if text)


def _both(pins: str, whole: str) -> str:
    bracketed = f"({whole})" if pins and "|" in whole else whole
    return " & ".join(filter(None, (pins, bracketed)))


def _reached(diagram: Diagram) -> list[int]:
    """Nodes that the root leads to, with something to take, the root first."""
    seen, waiting = {diagram.root}, [diagram.root]
    while waiting:
        for _, child in diagram.nodes[waiting.pop()].alternatives:
            if child not in seen:
                seen.add(child)
                waiting.append(child)
    return sorted((at for at in seen if diagram.nodes[at].alternatives), reverse=True)


def heaviest(diagram: Diagram, footprints: Mapping[str, Footprint], pool: str) -> tuple[str, ...]:
    """The set of the diagram that takes most of a pool; children come first, so one pass does."""
    best: list[tuple[int, tuple[str, ...]]] = []
    for node in diagram.nodes:
        choices = [
            _add(best[child], _top(diagram.pack.kinds[node.level], count, footprints, pool))
            for count, child in node.alternatives
        ]
        best.append(max(choices, key=lambda choice: choice[0], default=(0, ())))
    return best[diagram.root][1]


def _add(
    below: tuple[int, tuple[str, ...]], above: tuple[int, tuple[str, ...]]
) -> tuple[int, tuple[str, ...]]:
    return below[0] + above[0], above[1] + below[1]


def _top(
    kind: EqualModels, count: int, footprints: Mapping[str, Footprint], pool: str
) -> tuple[int, tuple[str, ...]]:
    """The members of a kind that take most of this pool: they are alike only where it matters."""
    sizes = {name: footprints[name].get(pool, 0) for name in kind.members}
    chosen = tuple(sorted(sizes, key=lambda name: -sizes[name])[:count])
    return sum(sizes[name] for name in chosen), chosen
