"""Fresh points as data: drawn shapes with their tensors, options, and the program's answers.

A file of them is compared again without the library: ``read`` makes the facts of each shape from its header.
"""

from __future__ import annotations

import json
import lzma
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gguf_writer import Tensor, Typed, write_gguf

from llmgen.facts.gguf_facts import GgufFacts
from llmgen.facts.local import read_model
from oracle.grid import Point, Setting, server_settings
from oracle.headers import metadata, ungrouped
from oracle.runner import Answer
from oracle.shapes import Shape
from oracle.tensor_lists import grouped

Group = list[object]


@dataclass(frozen=True)
class FreshShape:
    """A drawn shape: what its header says, and its tensors as ``groups`` (name, extents, layers, type)."""

    architecture: str
    vocabulary: int
    values: dict[str, object]
    groups: list[Group]

    def write(self, path: Path) -> Path:
        """The shape as a sparse file of its full size."""
        values = {name: _typed(value) for name, value in self.values.items()}
        shape = Shape(f"fresh/{self.architecture}", self.architecture, self.vocabulary, "", values)
        return write_gguf(path, metadata(shape), [Tensor(*item) for item in ungrouped(self.groups)])

    def facts(self) -> GgufFacts:
        """What our own reader takes from its header."""
        with tempfile.TemporaryDirectory() as folder:
            return read_model(self.write(Path(folder, "fresh.gguf")))


@dataclass(frozen=True)
class Fresh:
    """One question about a drawn shape (its place in ``Points.shapes``), and the answer."""

    shape: int
    setting: Setting
    answer: Answer


@dataclass(frozen=True)
class Points:
    """All fresh points of one build and seed."""

    build: int
    seed: int
    shapes: list[FreshShape]
    points: list[Fresh]

    def asked(self) -> Iterator[tuple[GgufFacts, Point]]:
        """Each point with the facts of its shape, shape by shape."""
        known: dict[int, GgufFacts] = {}
        for fresh in self.points:
            if fresh.shape not in known:
                known = {fresh.shape: self.shapes[fresh.shape].facts()}
            name = f"{self.shapes[fresh.shape].architecture}#{fresh.shape}"
            yield known[fresh.shape], Point(self.build, name, server_settings(fresh.setting), fresh.answer)  # fmt: skip


def _typed(value: object) -> object:
    return Typed(*value["typed"]) if isinstance(value, dict) else value  # type: ignore[misc]


def fresh_shape(shape: Shape, tensors: list[Tensor]) -> FreshShape:
    """A drawn shape with its tensors by name, type and layers."""
    values = {
        name: {"typed": [value.type, value.value]} if isinstance(value, Typed) else value
        for name, value in shape.values.items()
    }
    groups = []
    for kind in sorted({str(tensor.type) for tensor in tensors}):
        found = [(tensor.name, tensor.shape) for tensor in tensors if tensor.type == kind]
        groups += [[*group, kind] for group in grouped(found)]
    return FreshShape(shape.architecture, shape.vocabulary, values, groups)


def write(points: Points, path: Path) -> Path:
    """Write points down; the reader needs no library."""
    shapes = [[s.architecture, s.vocabulary, s.values, s.groups] for s in points.shapes]
    asked = [[fresh.shape, fresh.setting, fresh.answer] for fresh in points.points]
    data = {"build": points.build, "seed": points.seed, "shapes": shapes, "points": asked}
    path.write_bytes(lzma.compress(json.dumps(data, separators=(",", ":")).encode(), preset=6))
    return path


def read(path: Path) -> Points:
    """The points of a file."""
    data = json.loads(lzma.decompress(path.read_bytes()))
    shapes = [FreshShape(*fields) for fields in data["shapes"]]
    return Points(
        data["build"], data["seed"], shapes, [Fresh(*fields) for fields in data["points"]]
    )
