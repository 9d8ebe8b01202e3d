"""Fresh points: settings drawn at random that no rule was fitted on, asked of the live program.

``python -m oracle.holdout BUILD COUNT SEED`` (from ``tests/``) prints the errors of the totals, and
the worst points. A rule that is mended afterwards makes its seed a part of the fit: take another.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from llmgen.budget.estimate import estimate
from llmgen.budget.model import SettingRefused
from llmgen.facts.local import read_model
from oracle import build as builds
from oracle import grid
from oracle.comparison import Pair, error, is_published, quantiles, said
from oracle.grid import Point
from oracle.headers import write_header
from oracle.runner import Oracle
from oracle.shapes import SHAPES

# Each point takes one of these by chance; the grid has other sizes of most.
PLACES: tuple[dict[str, object], ...] = (
    {},
    {"devices": ()},
    {"devices": ("gpu0", "gpu1")},
    {"devices": ("gpu0", "gpu1"), "tensor_split": (5.0, 3.0)},
    {"n_gpu_layers": 13},
    {"n_gpu_layers": 21, "devices": ("gpu0", "gpu1")},
    {"n_cpu_moe": 9},
    {"kv_offload": False},
    {"kv_offload": False, "devices": ()},
)
CONTEXTS = (3072, 6144, 12288, 24576, 49152, 98304)
BATCHES = (192, 384, 768, 1536)
CACHES = ("f16", "f16", "q8_0", "q5_1")
# Embedding and rerank servers: `--embedding` with each pooling, and generation that pools nothing.
POOLED: tuple[dict[str, object], ...] = (
    {"embedding": True},
    *({"embedding": True, "pooling": name} for name in ("none", "mean", "cls", "last", "rank")),
    {"pooling": "none"},
)
# How many of the points are of such servers.
POOLED_SHARE = 0.25


def draw(source: random.Random) -> dict[str, object]:
    """Settings of one server."""
    chosen = dict(source.choice(PLACES))
    chosen["ctx_size"] = source.choice(CONTEXTS)
    chosen["parallel"] = source.choice((1, 2, 3))
    if source.random() < 0.5:
        chosen["ubatch_size"] = source.choice(BATCHES)
    chosen["cache_type_k"] = chosen["cache_type_v"] = source.choice(CACHES)
    if source.random() < POOLED_SHARE:
        chosen |= source.choice(POOLED)
    return chosen


def fresh(build: int, count: int, seed: int) -> Iterator[Pair]:
    """So many draws; those that the server or llmgen refuses are left out."""
    source, found = random.Random(seed), builds.builds()[build]
    with (
        tempfile.TemporaryDirectory() as folder,
        Oracle(found, devices=2 if found.has_devices else 0) as oracle,
    ):
        for _ in range(count):
            name, drawn = source.choice([*SHAPES]), draw(source)
            if not found.has_devices:
                drawn |= {"devices": (), "tensor_split": ()}
            if not grid.is_known(drawn, build):
                continue
            settings = grid.server_settings(drawn)
            path = Path(folder) / f"{name}.gguf"
            if not path.exists():
                write_header(path, name)
            answer = oracle.ask(path, settings)
            if "refused" in answer:
                continue
            try:
                made = estimate(read_model(path), settings, build)
            except SettingRefused:
                continue
            yield Pair(Point(build, name, settings, answer), made)


def main() -> None:
    """Print quantiles of the totals' errors, contexts that differ, and the worst points."""
    build, count, seed = map(int, sys.argv[1:4])
    found = [pair for pair in fresh(build, count, seed) if is_published(pair)]
    found.sort(key=lambda pair: error(*pair.total()))
    print(quantiles([error(*pair.total()) for pair in found]))
    for index, what in ((0, "weights"), (1, "context")):
        differ = sum(ours != theirs for ours, theirs in (item.column(index) for item in found))
        print(f"{what}: {differ} differ")
    short = [pair for pair in found if any(need > held for _, need, held in pair.device_totals())]
    print(f"more than estimate and margin: {len(short)}")
    for pair in found[-12:]:
        print(f"{error(*pair.total()):.2%} {said(pair.point)} {pair.column(2)}")


if __name__ == "__main__":
    main()
