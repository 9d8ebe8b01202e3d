"""The graph that llama.cpp's scheduler hands to its allocator: every tensor, in order, by its own name.

``python -m oracle.graphs BUILD MODEL [SETTINGS]`` (from ``tests/``) prints one: a model of the grid or a file,
settings as JSON. It is the graph of a prompt's micro-batch, split over the backends, with the copies of inputs.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llmgen.budget.settings import ServerSettings
from oracle import build as builds
from oracle import grid
from oracle.runner import Oracle

# ggml's flags of a tensor.
INPUT, OUTPUT = 1, 2
DEVICE = re.compile(r"RPC(\d+)(\[[^]]*\])?#")


@dataclass(frozen=True)
class Node:
    """A tensor of a graph.

    ``backend`` is its place among the arenas (devices first, the host last), or -1 where it lies in a
    buffer of the model or the cache. ``sources`` and ``view_of`` are places in ``Graph.tensors``;
    -1 is a tensor outside of the graph, or none.
    """

    name: str
    op: str
    type: str
    extents: tuple[int, ...]
    bytes: int
    flags: int
    backend: int
    sources: tuple[int, ...]
    view_of: int
    strides: tuple[int, ...]

    def __str__(self) -> str:
        where = "held" if self.backend < 0 else self.backend
        extents = "x".join(map(str, self.extents))
        sources = " ".join(map(str, self.sources))
        view = f" view of {self.view_of}" if self.view_of >= 0 else ""
        return f"{self.name}: {self.op} {self.type} {extents} {self.bytes} on {where} of [{sources}]{view}"


@dataclass(frozen=True)
class Graph:
    """``arenas``: bytes for each backend, the host last. Each tensor is told once; ``leafs`` (what no operation
    makes) and ``nodes`` (what is computed, in order, copies of inputs among them) are places in ``tensors``: with
    pipeline copies one may stand there twice.
    """

    arenas: tuple[int, ...]
    leafs: tuple[int, ...]
    nodes: tuple[int, ...]
    tensors: tuple[Node, ...]


def decoded(data: dict[str, object]) -> Graph:
    """A graph as ``breakdown`` writes it; RPC devices are called as they are in settings."""
    tensors = tuple(
        Node(DEVICE.sub(r"gpu\1#", name), op, kind, tuple(extents), size, flags, backend, tuple(sources), view, tuple(strides))
        for name, op, kind, extents, size, flags, backend, sources, view, strides in data["tensors"]  # type: ignore[attr-defined]
    )  # fmt: skip
    arenas, leafs, nodes = (tuple(data[name]) for name in ("arenas", "leafs", "nodes"))  # type: ignore[arg-type]
    return Graph(arenas, leafs, nodes, tensors)


def live(oracle: Oracle, path: Path, settings: ServerSettings) -> Graph | str:
    """The graph of a file on a running oracle, or why the program refuses it."""
    answer = oracle.graph(path, settings)
    if "refused" in answer:
        return str(answer["refused"])
    return decoded(answer["graph"])  # type: ignore[arg-type]


def lines(graph: Graph) -> Iterator[str]:
    """A graph in words: its arenas, then a tensor a line."""
    yield f"arenas {graph.arenas}"
    for place, node in enumerate(graph.tensors):
        yield f"{place:5} {node}"


def main() -> None:
    """Print the graph that the command line asks for."""
    build, model = builds.builds()[int(sys.argv[1])], sys.argv[2]
    setting = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {"ctx_size": 4096, "parallel": 1}
    setting = {key: tuple(v) if isinstance(v, list) else v for key, v in setting.items()}
    settings = grid.server_settings(setting)
    with tempfile.TemporaryDirectory() as folder, Oracle(build, len(settings.devices)) as oracle:
        path = Path(model) if model.endswith(".gguf") else grid.write_models(Path(folder))[model]
        graph = live(oracle, path, settings)
    print(graph if isinstance(graph, str) else "\n".join(lines(graph)))


if __name__ == "__main__":
    main()
