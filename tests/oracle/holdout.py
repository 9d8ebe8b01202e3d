"""Fresh points: shapes and settings drawn at random that no rule was fitted on, asked of the live program.

``python -m oracle.holdout BUILD COUNT SEED [FILE [ARCHITECTURE…]]`` (from ``tests/``) draws points of every architecture in
turn, prints the table of ``fresh_table`` and writes them down for ``python -m oracle.fresh_table FILE…``.
``python -m oracle.holdout published BUILD COUNT SEED`` draws settings alone, for published shapes and fixtures.
``tests/bench/memory_rivals.py`` draws plain options: one device and all layers on it.
A rule that is mended afterwards makes its seed a part of the fit: take another.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from llmgen.budget.estimate import estimate
from llmgen.budget.settings import SettingRefused
from llmgen.facts.local import read_model
from oracle import build as builds
from oracle import draws, fresh_table, grid
from oracle.comparison import Pair, differences, error, is_answered, is_published, quantiles, said
from oracle.draw_files import NotLoadable, draw_file, new_path
from oracle.grid import Point, Setting
from oracle.points import Fresh, FreshShape, Points, fresh_shape, write
from oracle.runner import Oracle
from oracle.shapes import SHAPES

# Shares of two devices; a few of them leave one without anything.
SPLITS = ((5.0, 3.0), (3.0, 1.0), (1.0, 3.0), (1.0, 9.0), (1.0, 0.0), (0.0, 1.0), (0.3, 0.7))
PATTERNS = (r"\.ffn_.*_exps", r"blk\.[0-4]\.ffn_(up|down)", "ffn_down", "token_embd", "output")
CONTEXTS = (0, 100, 3072, 5000, 10000, 12345, 24576, 49152, 65536, 98304, 131072)
BATCHES = (32, 100, 128, 333, 512, 1000, 1024, 4096)
MICRO_BATCHES = (32, 64, 100, 192, 256, 384, 768, 1000, 1536, 2048, 4096)
CACHES = ("f16", "f16", "q8_0", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "iq4_nl", "bf16", "f32")
# Embedding and rerank servers: `--embedding` with each pooling, and generation that pools nothing.
POOLED: tuple[dict[str, object], ...] = (
    {"embedding": True},
    *({"embedding": True, "pooling": name} for name in ("none", "mean", "cls", "last", "rank")),
    {"pooling": "none"},
)
# A quarter of the models are the small ones of every architecture.
FIXTURES = 0.25
# Points of each drawn shape: making one costs more than asking.
OF_ONE_SHAPE = 4
# Shapes between two times that points are written down.
AT_ONCE = 50


def draw(source: random.Random, layers: int) -> dict[str, object]:
    """Settings of one server: what is plain, embeddings, and devices."""
    chosen = plain(source)
    if source.random() < 0.2:
        chosen |= source.choice(POOLED)
    return chosen | _place(source, layers)


def plain(source: random.Random) -> dict[str, object]:
    """A context, and each option that estimators know by its own chance: all is on one device."""
    chosen: dict[str, object] = {"ctx_size": source.choice(CONTEXTS)}
    if source.random() < 0.7:
        chosen["parallel"] = source.choice((1, 2, 3, 4, 8))
    if source.random() < 0.25:
        chosen["kv_unified"] = source.random() < 0.7
    if source.random() < 0.2:
        chosen["batch_size"] = source.choice(BATCHES)
    if source.random() < 0.3:
        chosen["ubatch_size"] = source.choice(MICRO_BATCHES)
    if source.random() < 0.35:
        kind = source.choice(CACHES)
        alike = source.random() < 0.7
        chosen |= {"cache_type_k": kind, "cache_type_v": kind if alike else source.choice(CACHES)}
    if source.random() < 0.2:
        chosen["flash_attn"] = source.choice(("on", "off"))
    if source.random() < 0.1:
        chosen["swa_full"] = True
    return chosen


def _place(source: random.Random, layers: int) -> dict[str, object]:
    """Devices, and what is kept away from them."""
    count = source.choices((0, 1, 2), (20, 50, 30))[0]
    chosen: dict[str, object] = {"devices": tuple(f"gpu{number}" for number in range(count))}
    if source.random() < 0.1:
        chosen["kv_offload"] = False
    if not count:
        return chosen
    if count > 1 and source.random() < 0.4:
        chosen["tensor_split"] = source.choice(SPLITS)
    if source.random() < 0.35:
        few = source.choice((0, 1, 2, 3, layers // 2, layers - 1, layers, 999))
        chosen["n_gpu_layers"] = source.choice((few, source.randint(1, layers)))
    if source.random() < 0.1:
        chosen["n_cpu_moe"] = source.choice((1, layers // 2, layers))
    elif source.random() < 0.1:
        chosen["override_tensor"] = ((source.choice(PATTERNS), "CPU"),)
    return chosen


def published(build: int, count: int, seed: int) -> Iterator[Pair]:
    """So many draws of settings, refusals included."""
    source, found = random.Random(seed), builds.builds()[build]
    with (
        tempfile.TemporaryDirectory() as folder,
        Oracle(found, devices=2 if found.has_devices else 0) as oracle,
    ):
        files = grid.write_models(Path(folder))
        small = [name for name in files if name not in SHAPES]
        for _ in range(count):
            name = source.choice(small if source.random() < FIXTURES else [*SHAPES])
            facts = read_model(files[name])
            drawn = draw(source, int(str(facts.hyperparameters["block_count"])))
            if not found.has_devices:
                drawn |= {"devices": (), "tensor_split": ()}
            if not grid.is_known(drawn, build):
                continue
            settings = grid.server_settings(drawn)
            point = Point(build, name, settings, oracle.ask(files[name], settings))
            try:
                yield Pair(point, estimate(facts, settings, build))
            except SettingRefused as refused:
                yield Pair(point, None, refused.message)


def fresh(build: int, count: int, seed: int, names: Sequence[str] = ()) -> Iterator[Points]:
    """So many points of drawn shapes, a few of each shape; every architecture (or ``names``) in turn.

    The draws of an architecture depend on the seed and its name alone. Yields what there is so far
    every now and then, and all of it at last.
    """
    found = builds.builds()[build]
    turns = cycle(names or sorted(draws.architectures()))
    sources = {name: random.Random(f"{seed} {name}") for name in draws.architectures()}
    shapes: list[FreshShape] = []
    asked: list[Fresh] = []
    unknown: set[str] = set()
    with (
        tempfile.TemporaryDirectory() as folder,
        # Shapes that no build can run end the program: it starts quicker without devices.
        Oracle(found) as drawing,
        Oracle(found, devices=2 if found.has_devices else 0) as oracle,
    ):
        while len(asked) < count:
            name = next(turns)
            if name in unknown:
                continue
            try:
                shape = fresh_shape(*draw_file(sources[name], drawing, name, Path(folder)))
            except NotLoadable as refused:
                print(refused, file=sys.stderr)
                unknown.add(name)
                continue
            path = shape.write(new_path(Path(folder)))
            shapes.append(shape)
            for _ in range(OF_ONE_SHAPE):
                if setting := _asked(sources[name], name, shape, found):
                    answer = oracle.ask(path, grid.server_settings(setting))
                    asked.append(Fresh(len(shapes) - 1, setting, answer))
            if not len(shapes) % AT_ONCE:
                yield Points(build, seed, shapes, asked)
    yield Points(build, seed, shapes, asked)


def _asked(
    source: random.Random, name: str, shape: FreshShape, build: builds.Build
) -> Setting | None:
    drawn = draw(source, int(str(shape.values["block_count"])))
    if not build.has_devices:
        drawn |= {"devices": (), "tensor_split": ()}
    if shape.values.get("nextn_predict_layers") and name in draws.DRAFTING:
        drawn |= _drafted(source)
    return drawn if grid.is_known(drawn, build.number) else None


def _drafted(source: random.Random) -> dict[str, object]:
    """A draft by the model's own nextn block, for most of those that have one."""
    if source.random() < 0.3:
        return {}
    kind = source.choice(CACHES)
    draft = {"spec_type": "draft-mtp", "n_max": source.randint(1, 6)}
    return {"draft": draft | {"cache_type_k": kind, "cache_type_v": kind}}


def main() -> None:
    """Draw, print and write down, as the command line says."""
    if sys.argv[1] == "published":
        print_published(*map(int, sys.argv[2:5]))
        return
    for points in fresh(*map(int, sys.argv[1:4]), sys.argv[5:]):
        if len(sys.argv) > 4:
            write(points, Path(sys.argv[4]))
    fresh_table.show([points])


def print_published(build: int, count: int, seed: int) -> None:
    """Print what differs, quantiles of the published models' totals, and the worst points."""
    drawn = list(published(build, count, seed))
    for pair in drawn:
        for difference in differences(pair):
            print(difference)
    found = [pair for pair in drawn if is_published(pair) and is_answered(pair)]
    found.sort(key=lambda pair: error(*pair.total()))
    print(f"{len(drawn)} drawn, published: {quantiles([error(*pair.total()) for pair in found])}")
    for pair in found[-12:]:
        print(f"{error(*pair.total()):.2%} {said(pair.point)} {pair.column(2)}")


if __name__ == "__main__":
    main()
