"""What picks tokens on the device that makes logits (``build_sampling`` in llama-graph.cpp).

Servers have it for contexts that draft: of each row that is an output the ten best tokens.
"""

from __future__ import annotations

from typing import Final

from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import OUTPUT

# llama_sampler_init_top_k in common/speculative.cpp.
_BEST: Final = 10


def sample(scene: Scene, rows: int) -> None:
    """Logits with a row more, for slots that have none, and the best of so many rows."""
    b, logits = scene.b, scene.results["logits"]
    vocabulary = logits.ne[0]
    wide = b.pad(logits, 0, 1)
    for _ in range(rows):
        row = b.reshape(b.view(wide, (vocabulary,), ()), vocabulary)
        best = b.made("TOP_K", "i32", (min(_BEST, vocabulary),), row)
        values = b.get_rows(b.reshape(row, 1, vocabulary), best)
        for found in (values, best):
            found.flags |= OUTPUT
            b.expand(found)
