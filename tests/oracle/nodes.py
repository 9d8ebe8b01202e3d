"""Node lists: the graph of every architecture as the program makes it, beside ours, tensor by tensor.

``python -m oracle.nodes BUILD SEED [ARCHITECTURE…]`` (from ``tests/``) records ``data/nodes-bBUILD.json.xz``: of each
architecture its fixtures and a drawn shape, wholly on a device and partly on two. ``test_nodes.py`` compares them.
"""

from __future__ import annotations

import json
import lzma
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from llmgen.budget.compute.buffers import whole_graph
from llmgen.budget.drafting import contexts
from llmgen.budget.graph.builder import size
from llmgen.budget.graph.ops import VIEWS
from llmgen.budget.graph.tensor import NOWHERE, Tensor
from llmgen.facts.gguf_facts import GgufFacts
from llmgen.facts.local import read_model
from oracle import build as builds
from oracle import draws, grid
from oracle.draw_files import NotLoadable, draw_file
from oracle.graphs import Graph, live
from oracle.grid import Setting
from oracle.points import FreshShape, fresh_shape
from oracle.runner import Oracle

SETTINGS: tuple[Setting, ...] = (
    {"ctx_size": 1024, "ubatch_size": 64, "devices": ("gpu0",), "n_gpu_layers": 99},
    {"ctx_size": 1024, "ubatch_size": 64, "parallel": 2, "flash_attn": "off", "devices": ("gpu0", "gpu1"), "n_gpu_layers": 2},
)  # fmt: skip
# What the scheduler and the views of a tensor add to its name.
COPY = re.compile(r"^[A-Za-z]+\d*#(.*)#\d+$")
NUMBER = re.compile(r"-\d+")
# Tensors that llama.cpp gives no name have one of their place.
UNNAMED = re.compile(r"^(node_\d+|leaf_\d+)?( \([^)]*\))*$")


@dataclass(frozen=True)
class Line:
    """A tensor that takes memory or is computed: its name where it has one, what makes it, its bytes and backend.

    Left out are views, and what lies in a buffer of the model or the cache before the graph starts. What is written
    into such a buffer has no backend of its own in the program (-1).
    """

    name: str
    op: str
    bytes: int
    backend: int

    def is_like(self, other: Line) -> bool:
        """Whether all but the name is the same."""
        if NOWHERE in (self.backend, other.backend):
            return self.op == other.op
        return (self.op, self.bytes, self.backend) == (other.op, other.bytes, other.backend)


@dataclass(frozen=True)
class Listed:
    """The graph of one shape under one setting, leafs first; ``shape`` is a fixture's name or a drawn one."""

    shape: str | FreshShape
    setting: int
    lines: tuple[Line, ...]


def of_program(graph: Graph) -> tuple[Line, ...]:
    """What the allocator was given."""
    leafs = (place for place in graph.leafs if graph.tensors[place].backend >= 0)
    found = (graph.tensors[place] for place in (*leafs, *graph.nodes))
    return tuple(
        Line(_plain(node.name), node.op, node.bytes, node.backend)
        for node in found
        if node.op not in VIEWS
    )


def _plain(name: str) -> str:
    copied = COPY.match(name)
    name = copied[1] if copied else name
    return "" if UNNAMED.match(name) else name


def of_ours(facts: GgufFacts, setting: Setting, build: int) -> tuple[Line, ...]:
    """What our description of it comes to."""
    (context,) = contexts(facts, grid.server_settings(setting), build, None)
    plan = whole_graph(context.ground)
    leafs = (leaf for leaf in plan.leafs if leaf.home < 0)
    return tuple(_line(tensor) for tensor in (*leafs, *plan.nodes) if tensor.op not in VIEWS)


def _line(tensor: Tensor) -> Line:
    name = tensor.said if tensor.name else ""
    return Line(name, tensor.op, size(tensor), tensor.backend)


def other_names(program: tuple[Line, ...], ours: tuple[Line, ...]) -> dict[str, str]:
    """What the program calls tensors otherwise, by our names; numbers of layers are left out."""
    found = {}
    for theirs, own in zip(program, ours, strict=True):
        name, called = NUMBER.sub("", own.name), NUMBER.sub("", theirs.name)
        if name and called and own.op != "NONE" and name != called:
            found[name] = called
    return found


def first_difference(program: tuple[Line, ...], ours: tuple[Line, ...]) -> str:
    """The first tensor that differs, with the last that was equal; empty where none does."""
    before = None
    for place, (theirs, own) in enumerate(zip_longest(program, ours)):
        if theirs is None or own is None or not theirs.is_like(own):
            return (
                f"tensor {place}\nthe program: {theirs}\nllmgen:      {own}\nbehind:      {before}"
            )
        before = theirs
    return ""


def recorded(number: int, seed: int, names: list[str]) -> Iterator[Listed]:
    """Ask a build for the graphs of fixtures and of a drawn shape of each architecture."""
    build = builds.builds()[number]
    wanted = names or sorted(draws.architectures())
    with (
        tempfile.TemporaryDirectory() as kept,
        tempfile.TemporaryDirectory() as folder,
        Oracle(build) as drawing,
        Oracle(build, devices=2) as oracle,
    ):
        for name, path in grid.write_models(Path(kept)).items():
            if name.startswith("fixture/") and read_model(path).architecture in wanted:
                yield from _asked(oracle, name, path)
        for name in wanted:
            source = random.Random(f"{seed} {name}")
            try:
                shape = fresh_shape(*draw_file(source, drawing, name, Path(folder)))
            except NotLoadable as refused:
                print(refused, file=sys.stderr)
                continue
            yield from _asked(oracle, shape, shape.write(Path(kept, "drawn.gguf")))


def _asked(oracle: Oracle, shape: str | FreshShape, path: Path) -> Iterator[Listed]:
    for index, setting in enumerate(SETTINGS):
        graph = live(oracle, path, grid.server_settings(setting))
        if isinstance(graph, str):
            name = shape if isinstance(shape, str) else shape.architecture
            print(f"{name}, setting {index}: {graph.splitlines()[0]}", file=sys.stderr)
        else:
            yield Listed(shape, index, of_program(graph))


def path_of(build: int) -> Path:
    """Where a build's lists are."""
    return grid.DATA / f"nodes-b{build}.json.xz"


def write(found: list[Listed], path: Path) -> None:
    """Write lists down; each line once, since most come many times."""
    known: dict[Line, int] = {}
    lists = [
        [_shape(item.shape), item.setting, [known.setdefault(line, len(known)) for line in item.lines]]
        for item in found
    ]  # fmt: skip
    lines = [[line.name, line.op, line.bytes, line.backend] for line in known]
    text = json.dumps({"lines": lines, "lists": lists}, separators=(",", ":"))
    path.write_bytes(lzma.compress(text.encode(), preset=9))


def _shape(shape: str | FreshShape) -> object:
    if isinstance(shape, str):
        return shape
    return [shape.architecture, shape.vocabulary, shape.values, shape.groups]


def read(path: Path) -> list[Listed]:
    """The lists of a file."""
    data = json.loads(lzma.decompress(path.read_bytes()))
    lines = [Line(*fields) for fields in data["lines"]]
    return [
        Listed(shape if isinstance(shape, str) else FreshShape(*shape), setting, tuple(lines[place] for place in places))
        for shape, setting, places in data["lists"]
    ]  # fmt: skip


def main() -> None:
    """Record, as the command line says."""
    number, seed, *names = sys.argv[1:]
    found = list(recorded(int(number), int(seed), names))
    write(found, path_of(int(number)))
    print(f"{len(found)} lists, {sum(len(item.lines) for item in found)} tensors")


if __name__ == "__main__":
    main()
