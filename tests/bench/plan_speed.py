"""How long planning takes after start-up: ``python tests/bench/plan_speed.py``.

The repository's own stack (aim: 50 ms), 24 mixed models on four devices (1 s), 1,000 mixed models
(2 s). CPU time, the best of five.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plan"))

from test_derive import mixed

from llmgen.cli.boundary import Session
from llmgen.cli.pipeline import library, read
from llmgen.plan.derive import matrix
from llmgen.plan.place import place

LLM_TOML = Path(__file__).resolve().parents[2] / "llm.toml"
ROUNDS = 5


def best(call: Callable[[], object]) -> float:
    """Seconds of CPU time of the quickest round."""
    taken = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        call()
        taken.append(time.process_time() - begin)
    return min(taken)


def main() -> None:
    found = library(read(Session(config=(str(LLM_TOML),))))
    print(f"the repository's stack: {best(lambda: place(found)) * 1000:.1f} ms of 50 ms")
    for models, aim in ((24, 1), (1000, 2)):
        stack = mixed(models, 4)
        seconds = best(lambda stack=stack: matrix(stack))
        print(f"{models} mixed models on 4 devices: {seconds:.2f} s of {aim} s")


if __name__ == "__main__":
    main()
