"""GiB loaded per 1,000 requests: ``python tests/bench/trace_benefit.py`` writes results/trace.md.

The derived plan under llama-swap's own eviction rule (tests/plan/simulator.py, checked against
recorded runs of the real program), against one model at a time, against groups written by hand, and
against the best that any eviction could do, knowing the whole trace beforehand.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plan"))

from simulator import GroupSwap, MatrixSwap
from trace_offline import offline
from trace_requests import BY_HAND, DEVICE_GIB, MODELS, TRACES

from llmgen.plan import derive
from llmgen.plan.stack import Stack
from llmgen.units import GIB

RESULT = Path(__file__).resolve().parent / "results" / "trace.md"
STACK = Stack(
    budgets={"gpu0": int(DEVICE_GIB * GIB)},
    demand={name: {"gpu0": int(size * GIB)} for name, (size, _) in MODELS.items()},
    # Tenths of a second at 3 GiB/s, as the planner computes them.
    load_cost={name: max(1, round(files * 10 / 3)) for name, (_, files) in MODELS.items()},
)


def derived() -> MatrixSwap:
    matrix = derive.matrix(STACK).matrix
    return MatrixSwap(matrix.sets, matrix.variables, matrix.evict_costs)


def one_at_a_time() -> GroupSwap:
    return GroupSwap([])


def by_hand() -> GroupSwap:
    kept, turns = BY_HAND
    return GroupSwap([(frozenset(kept), False, False, True), (frozenset(turns), True, False, True)])


def loaded(engine, requests: Sequence[str]) -> float:
    """GiB read from disk by this engine."""
    total = 0.0
    for name in requests:
        if name not in engine.running:
            total += MODELS[name][1]
        engine.request(name)
        assert not STACK.over(engine.running), engine.running
    return total


ENGINES: dict[str, Callable[[], object]] = {
    "one at a time": one_at_a_time,
    "groups by hand": by_hand,
    "derived plan": derived,
}


def figures() -> dict[str, dict[str, float]]:
    """GiB per 1,000 requests, by trace and engine."""
    found = {}
    for trace, made in TRACES.items():
        requests = made()
        per = {name: loaded(engine(), requests) for name, engine in ENGINES.items()}
        per["offline optimum"] = offline(requests, STACK, {n: f for n, (_, f) in MODELS.items()})
        found[trace] = {name: total * 1000 / len(requests) for name, total in per.items()}
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """The figures as Markdown."""
    names = list(next(iter(found.values())))
    sizes = sorted(size for size, _ in MODELS.values())
    lines = [
        "# GiB loaded per 1,000 requests",
        "",
        f"{len(MODELS)} on-demand models of {sizes[0]} to {sizes[-1]} GiB, {DEVICE_GIB} GiB for them;",
        "simulated with llama-swap's eviction rule by `python tests/bench/trace_benefit.py`.",
        "",
        f"| trace | {' | '.join(names)} |",
        f"| --- |{' ---: |' * len(names)}",
    ]
    lines += [
        f"| {trace} | {' | '.join(f'{row[name]:.0f}' for name in names)} |"
        for trace, row in found.items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = table(figures())
    RESULT.write_text(text, "utf-8")
    print(text, end="")
