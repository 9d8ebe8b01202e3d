"""llmgen's memory figures beside other estimators', all held to what llama.cpp allocates.

    cd tests && python -m oracle.holdout 11434 600 SEED drawn.json.xz
    python tests/bench/memory_rivals.py drawn.json.xz SEED [--write]

The first command draws shapes of every architecture; the second one draws options of one device for
them and for the published shapes, asks llama.cpp itself (``tests/oracle``, b11434), and every
estimator that is there. Rivals are looked for in ``~/.cache/llmgen/rivals`` (``LLMGEN_RIVALS_DIR``): a
virtual environment for each package of ``PACKAGES`` (that of ``xllamacpp`` with ``gguf``), and a
program ``gguf-parser`` built from ``memory_gguf_parser/main.go``; missing ones are named. ``--write``
refreshes ``results/memory_rivals.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from oracle import build as builds  # noqa: E402
from oracle import grid, points  # noqa: E402
from oracle.grid import Point  # noqa: E402
from oracle.holdout import plain  # noqa: E402
from oracle.runner import Oracle  # noqa: E402
from oracle.shapes import SHAPES  # noqa: E402

from llmgen.budget.estimate import estimate  # noqa: E402
from llmgen.budget.settings import SettingRefused  # noqa: E402
from llmgen.facts.gguf_facts import GgufFacts  # noqa: E402
from llmgen.facts.local import read_model  # noqa: E402

RIVALS = Path(os.environ.get("LLMGEN_RIVALS_DIR", Path.home() / ".cache" / "llmgen" / "rivals"))
PACKAGES = ("llama-mdl", "llamafit", "xllamacpp", "castlearq")
TYPE_BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
# How many options are drawn for each shape.
OF_DRAWN, OF_PUBLISHED = 3, 6
QUANTITIES = ("weights", "context", "compute", "total")
# Bytes of each quantity that an estimator names; None where it cannot read the file.
Answer = dict[str, int] | None


@dataclass(frozen=True)
class Case:
    """One point in words that every estimator can be told."""

    point: Point
    facts: GgufFacts
    words: dict[str, object]

    @property
    def truth(self) -> dict[str, int]:
        """Context of all devices together, the rest of the one device."""
        memory = self.point.answer["memory"]
        weights, _, compute = memory[1]
        context = sum(device[1] for device in memory)
        return {"weights": weights, "context": context, "compute": compute, "total": sum(memory[1])}


def drawn(path: Path, folder: Path) -> dict[str, Path]:
    """A file of each drawn shape, by its architecture and number."""
    shapes = points.read(path).shapes
    return {
        f"{shape.architecture}#{number}": shape.write(folder / f"drawn-{number}.gguf")
        for number, shape in enumerate(shapes)
    }


def published(folder: Path) -> dict[str, Path]:
    """A file of each published shape, in a folder of their own."""
    folder.mkdir()
    return {name: path for name, path in grid.write_models(folder).items() if name in SHAPES}


def asked(files: dict[str, Path], count: int, source: random.Random) -> Iterator[Case]:
    """Options drawn for each file, with llama.cpp's answers; what it refuses is left out."""
    found = builds.builds()[grid.WHOLE]
    with Oracle(found, devices=1) as oracle:
        for name, path in files.items():
            facts = read_model(path)
            for _ in range(count):
                settings = grid.server_settings(plain(source))
                point = Point(grid.WHOLE, name, settings, oracle.ask(path, settings))
                if "refused" not in point.answer:
                    yield Case(point, facts, words(point, path, facts))


def words(point: Point, path: Path, facts: GgufFacts) -> dict[str, object]:
    """The settings as the adapters read them."""
    s = point.settings
    auto = s.parallel < 0
    return {
        "path": str(path), "context": s.ctx_size, "slots": 4 if auto else s.parallel,
        "unified": auto or bool(s.kv_unified), "batch": s.batch_size, "ubatch": s.ubatch_size,
        "k": s.cache_type_k, "v": s.cache_type_v, "flash": s.flash_attn != "off", "swa_full": s.swa_full,
        "trained": facts.hyperparameters["context_length"], "vocabulary": facts.hyperparameters["vocab_size"],
        "parameters": sum(prod(group.shape) * max(1, len(group.layers)) for group in facts.tensors),
        "bytes": sum(group.bytes_total for group in facts.tensors),
    }  # fmt: skip


def llmgen(case: Case) -> Answer:
    """Ours."""
    try:
        memory = estimate(case.facts, case.point.settings, case.point.build).memory
    except SettingRefused:
        return None
    context = sum(item.context for item in memory)
    device = memory[1]
    return {
        "weights": device.model,
        "context": context,
        "compute": device.compute,
        "total": device.total,
    }


def textbook(case: Case) -> Answer:
    """2 · layers · context · K/V heads · head size · bytes, beside the whole file."""
    h = case.facts.hyperparameters
    heads = h.get("attention.head_count", 0)
    kv_heads = h.get("attention.head_count_kv", heads)
    bytes_k = TYPE_BYTES.get(str(case.words["k"]))
    first = heads[0] if isinstance(heads, tuple) else heads
    if bytes_k is None or case.words["k"] != case.words["v"] or not first:
        return None
    most = max(kv_heads) if isinstance(kv_heads, tuple) else kv_heads
    size = h.get("attention.key_length") or h["embedding_length"] // first
    tokens = case.words["context"] or case.words["trained"]
    context = int(2 * h["block_count"] * tokens * most * size * bytes_k)
    weights = sum(group.bytes_total for group in case.facts.tensors)
    return {"weights": weights, "context": context, "total": context + weights}


def told_lines(command: list[str], found: list[Case]) -> list[Answer]:
    """What a rival answers, one line for each case."""
    lines = "".join(json.dumps(case.words) + "\n" for case in found)
    run = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def estimators() -> dict[str, Callable[[list[Case]], list[Answer]]]:
    """Every estimator that is on this machine; the missing ones are named on stderr."""
    out: dict[str, Callable[[list[Case]], list[Answer]]] = {
        "llmgen": lambda found: [llmgen(case) for case in found],
        "textbook formula": lambda found: [textbook(case) for case in found],
    }
    commands = {
        name: [
            str(RIVALS / name / "bin" / "python"),
            str(HERE / f"memory_rival_{name.split('-')[-1]}.py"),
        ]
        for name in PACKAGES
    }
    commands["gguf-parser-go 0.26.3"] = [str(RIVALS / "gguf-parser")]
    for name, command in commands.items():
        if not Path(command[0]).exists():
            print(f"missing rival: {name} ({command[0]})", file=sys.stderr)
            continue
        out[titled(name)] = lambda found, command=command: told_lines(command, found)
    return out


def titled(name: str) -> str:
    """The name with its installed version."""
    if name not in PACKAGES:
        return name
    ask = f"from importlib.metadata import version; print(version({name!r}))"
    python = str(RIVALS / name / "bin" / "python")
    return f"{name} {subprocess.check_output([python, '-c', ask], text=True).strip()}"


def error(mine: int, theirs: int) -> float:
    """Relative error; a figure for nothing counts as 100 %."""
    return abs(mine - theirs) / theirs if theirs else float(mine != 0)


def row(name: str, found: list[Case], answers: list[Answer]) -> str:
    """One line of the table: how many it answers, then each quantity."""
    pairs = [(case, answer) for case, answer in zip(found, answers, strict=True) if answer]
    cells = [spread(pairs, quantity) for quantity in QUANTITIES]
    return f"| {name} | {len(pairs)} | {exact(pairs)} | " + " | ".join(cells) + " |"


def exact(pairs: list[tuple[Case, dict[str, int]]]) -> str:
    """How often the context is right to the byte."""
    told = [
        answer["context"] == case.truth["context"] for case, answer in pairs if "context" in answer
    ]
    return percent(sum(told) / len(told)) if told else ""


def spread(pairs: list[tuple[Case, dict[str, int]]], quantity: str) -> str:
    """Median, 95th percentile and worst; nothing where the estimator does not tell it."""
    errors = sorted(
        error(answer[quantity], case.truth[quantity])
        for case, answer in pairs
        if quantity in answer
    )
    if not errors:
        return ""
    return " / ".join(
        percent(errors[min(len(errors) - 1, int(len(errors) * part))]) for part in (0.5, 0.95, 1)
    )


def percent(value: float) -> str:
    return f"{value:.2%}" if value < 0.1 else f"{value:.0%}"


def table(title: str, found: list[Case]) -> str:
    """The cases, one estimator a line."""
    head = (
        f"## {title}: {len(found)} points\n\n"
        "| estimator | answered | context exact | weights | context | compute | total |\n"
        "| --- | ---: | ---: | --- | --- | --- | --- |\n"
    )
    rows = [row(name, found, ask(found)) for name, ask in estimators().items()]
    return head + "\n".join(rows) + "\n"


def main() -> None:
    """Ask everybody and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("drawn", type=Path)
    parser.add_argument("seed", type=int)
    parser.add_argument("--write", action="store_true")
    told = parser.parse_args()
    source = random.Random(told.seed)
    with tempfile.TemporaryDirectory() as folder:
        shapes = drawn(told.drawn, Path(folder))
        first = [*asked(shapes, OF_DRAWN, source)]
        second = [*asked(published(Path(folder, "published")), OF_PUBLISHED, source)]
        tables = (
            table(f"{len(shapes)} shapes of every architecture, drawn at random", first),
            table("Published models, options drawn at random", second),
        )
    text = (
        f"# Memory estimators beside llama.cpp b{grid.WHOLE}\n\n"
        f"Made by `python tests/bench/memory_rivals.py drawn.json.xz {told.seed} --write`, shapes by\n"
        f"`python -m oracle.holdout` with seed {points.read(told.drawn).seed}. All is on one device; context is that of device and host\n"
        "together, total the memory of the device. Errors are relative to what the program allocates: median / 95th\n"
        "percentile / worst. An estimator answers the points that it can express; the others do not count against it.\n"
        "castlearq knows a model by its parameters alone; opencode-llmstack 1.0.3 estimates no memory.\n\n"
        + "\n".join(tables)
    )
    print(text)
    if told.write:
        (HERE / "results" / "memory_rivals.md").write_text(text)


if __name__ == "__main__":
    main()
