"""How long 1,000 models of a library take: ``python tests/bench/estimate_speed.py``.

The models are the oracle's published shapes in turn, each under another context, so that no
answer can be remembered. Garbage is collected as rarely as in the program. The aim is half a second.
"""

from __future__ import annotations

import gc
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracle.comparison import all_facts

from llmgen.__main__ import RARELY
from llmgen.budget.estimate import estimate
from llmgen.budget.settings import ServerSettings, SettingRefused

MODELS = 1000


def main() -> None:
    facts = [found for name, found in all_facts().items() if not name.startswith("fixture/")]
    gc.set_threshold(RARELY)
    refused = 0
    begin = time.perf_counter()
    for number in range(MODELS):
        try:
            estimate(facts[number % len(facts)], ServerSettings(ctx_size=4096 + 256 * number))
        except SettingRefused:
            refused += 1
    seconds = time.perf_counter() - begin
    print(
        f"{MODELS} models in {seconds:.3f} s, {seconds / MODELS * 1000:.3f} ms each; {refused} refused"
    )


if __name__ == "__main__":
    main()
