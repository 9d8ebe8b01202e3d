"""llmgen's memory figures beside other estimators', all held to what llama.cpp allocates.

    python tests/bench/memory_rivals.py [--write]

The files, the settings and llama.cpp's answers are the oracle's (``tests/oracle``, b11434, one
device). Rivals are looked for in ``~/.cache/llmgen/rivals`` (``LLMGEN_RIVALS_DIR``): a virtual
environment ``llama-mdl``, ``llamafit`` and ``xllamacpp`` (with ``gguf``) with the package of that
name, and a program ``gguf-parser`` built from ``memory_gguf_parser/main.go``; missing ones are
named. ``--write`` refreshes ``results/memory_rivals.md``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]

from oracle import grid  # noqa: E402
from oracle.grid import Point  # noqa: E402

from llmgen.budget.estimate import estimate  # noqa: E402
from llmgen.facts.gguf_facts import GgufFacts  # noqa: E402
from llmgen.facts.local import read_model  # noqa: E402

RIVALS = Path(os.environ.get("LLMGEN_RIVALS_DIR", Path.home() / ".cache" / "llmgen" / "rivals"))
PACKAGES = ("llama-mdl", "llamafit", "xllamacpp")
TYPE_BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
Answer = dict[str, int] | None


@dataclass(frozen=True)
class Case:
    """One point in words that every estimator can be told."""

    point: Point
    facts: GgufFacts
    words: dict[str, object]

    @property
    def context(self) -> int:
        return sum(device[1] for device in self.point.answer["memory"])

    @property
    def total(self) -> int:
        return sum(self.point.answer["memory"][1])


def asked() -> list[Point]:
    """Plain settings of one device: context, slots, cache types, batches, window, flash attention."""
    told = [grid.server_settings(setting) for setting in grid.ONE[:30]]
    points = grid.recorded(grid.DATA / f"answers-b{grid.WHOLE}.json.xz")
    return [point for point in points if point.settings in told and "refused" not in point.answer]


def cases(folder: Path) -> list[Case]:
    """Every asked point with its file and facts."""
    files = grid.write_models(folder)
    facts = {name: read_model(path) for name, path in files.items()}
    return [
        Case(point, facts[point.model], words(point, files[point.model], facts[point.model]))
        for point in asked()
    ]


def words(point: Point, path: Path, facts: GgufFacts) -> dict[str, object]:
    """The settings as the adapters read them."""
    s = point.settings
    auto = s.parallel < 0
    return {
        "path": str(path), "context": s.ctx_size, "slots": 4 if auto else s.parallel,
        "unified": auto or bool(s.kv_unified), "batch": s.batch_size, "ubatch": s.ubatch_size,
        "k": s.cache_type_k, "v": s.cache_type_v, "flash": s.flash_attn != "off", "swa_full": s.swa_full,
        "trained": facts.hyperparameters["context_length"], "vocabulary": facts.hyperparameters["vocab_size"],
    }  # fmt: skip


def llmgen(case: Case) -> Answer:
    """Ours."""
    found = estimate(case.facts, case.point.settings, case.point.build)
    return {"context": sum(item.context for item in found.memory), "total": found.memory[1].total}


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
    return {
        "context": context,
        "total": context + sum(group.bytes_total for group in case.facts.tensors),
    }


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
            str(HERE / f"memory_rival_{name.removeprefix('llama-')}.py"),
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
    """One line of the table."""
    pairs = [(case, answer) for case, answer in zip(found, answers, strict=True) if answer]
    if not pairs:
        return f"| {name} | 0 | | | | | | | |"
    context = sorted(error(answer["context"], case.context) for case, answer in pairs)
    total = sorted(error(answer["total"], case.total) for case, answer in pairs)
    exact = sum(value == 0 for value in context) / len(context)
    cells = [f"{exact:.1%}", *spread(context), *spread(total)]
    return f"| {name} | {len(pairs)} | " + " | ".join(cells) + " |"


def spread(errors: list[float]) -> list[str]:
    """Median, 95th percentile and worst."""
    return [percent(errors[min(len(errors) - 1, int(len(errors) * q))]) for q in (0.5, 0.95, 1)]


def percent(value: float) -> str:
    return f"{value:.2%}" if value < 0.1 else f"{value:.0%}"


def table(
    title: str, found: list[Case], answers: dict[str, list[Answer]], chosen: list[bool]
) -> str:
    """The cases that ``chosen`` picks, one estimator a line."""
    head = (
        f"## {title}: {sum(chosen)} points\n\n"
        "| estimator | answered | context exact | context median | p95 | worst | total median | p95 | worst |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    )
    pick = [case for case, yes in zip(found, chosen, strict=True) if yes]
    rows = [
        row(name, pick, [answer for answer, yes in zip(given, chosen, strict=True) if yes])
        for name, given in answers.items()
    ]
    return head + "\n".join(rows) + "\n"


def main() -> None:
    """Ask everybody and print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        found = cases(Path(folder))
        answers = {name: ask(found) for name, ask in estimators().items()}
    published = [not case.point.model.startswith("fixture/") for case in found]
    text = (
        f"# Memory estimators beside llama.cpp b{grid.WHOLE}\n\n"
        "Made by `python tests/bench/memory_rivals.py --write`. Context is all devices together; total is the memory\n"
        "of the one offload device. Errors are relative to what the program allocates. An estimator answers the points\n"
        "that it can express; the others do not count against it. A third of the points has a context that is no multiple of\n"
        "256 tokens for each slot: what pads the sum of the slots instead is not exact there.\n\n"
        + table("Published models", found, answers, published)
        + "\n"
        + table(
            "A small model of every architecture", found, answers, [not yes for yes in published]
        )
    )
    print(text)
    if "--write" in sys.argv:
        (HERE / "results").mkdir(exist_ok=True)
        (HERE / "results" / "memory_rivals.md").write_text(text)


if __name__ == "__main__":
    main()
