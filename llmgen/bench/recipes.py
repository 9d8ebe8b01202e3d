"""Recipes: what llama.cpp's bench programs and a running server are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from llmgen.plan.plan import Placement

BenchProgram = Literal["llama-bench", "llama-batched-bench"]


class BenchRecipe(Struct, frozen=True):
    """One named measurement.

    ``prompts`` and ``depths`` are tokens, ``answers`` generated tokens; ``connections`` are
    requests at the same time, of the HTTP form and of llama-batched-bench. A depth beyond the
    model's context is left out; ``to_the_end`` adds the deepest one that its context holds.
    """

    name: str
    summary: str
    program: BenchProgram = "llama-bench"
    prompts: tuple[int, ...] = (512,)
    answers: tuple[int, ...] = (128,)
    depths: tuple[int, ...] = (0,)
    to_the_end: bool = False
    repetitions: int = 3
    connections: tuple[int, ...] = (1,)

    @property
    def tokens(self) -> int:
        """What one request takes of a context at depth 0."""
        return max(self.prompts) + max(self.answers)


RECIPES: Final[dict[str, BenchRecipe]] = {
    item.name: item
    for item in (
        BenchRecipe("single", "one prompt, one answer"),
        BenchRecipe(
            "depth",
            "how speed falls with context",
            depths=(0, 4096, 16384, 65536, 131072, 262144),
            to_the_end=True,
        ),
        BenchRecipe(
            "batched",
            "as many requests as there are slots",
            program="llama-batched-bench",
            connections=(1, 2, 4, 8, 16, 32, 64),
        ),
        BenchRecipe(
            "stress",
            "the longest context that the plan gives",
            depths=(),
            to_the_end=True,
            repetitions=1,
        ),
    )
}


def depths(placement: Placement, recipe: BenchRecipe) -> list[int]:
    """Tokens that are in the context before a measurement begins."""
    room = max(0, placement.estimate.n_ctx_seq - recipe.tokens)
    found = {depth for depth in recipe.depths if depth <= room}
    return sorted(found | {room} if recipe.to_the_end else found) or [0]


def slots(placement: Placement, recipe: BenchRecipe) -> list[int]:
    """Requests at the same time that the model's slots and context hold, its slots last."""
    most = min(placement.settings.parallel, placement.estimate.n_ctx // recipe.tokens)
    return sorted({count for count in (*recipe.connections, most) if 0 < count <= max(1, most)})


def results(placement: Placement, recipe: BenchRecipe) -> int:
    """How many results its program prints at least."""
    return len(slots(placement, recipe)) if recipe.program == "llama-batched-bench" else 1


def connections(placement: Placement, recipe: BenchRecipe) -> Iterator[int]:
    """How many HTTP requests at the same time, up to twice the model's slots."""
    return (count for count in recipe.connections if count <= 2 * placement.settings.parallel)


def listed(numbers: Sequence[int]) -> str:
    """Numbers as both programs read them."""
    return ",".join(map(str, numbers))
