"""Prices of models, mended until no better ones are found (Held and Karp 1971, Polyak 1969)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from llmgen.fleet.search.levels import NEVER

# After so many rounds that were no better, steps are shorter, by so much.
_WAITED, _SHORTER = 4, 1.5


class Prices(Struct):
    """Prices that say most so far; each host's best is taken off in ``least``."""

    now: list[int]
    least: int = -NEVER
    best: list[int] = field(default_factory=list)
    pace: float = 1.0
    waited: int = 0

    def mend(self, target: int, bests: Sequence[tuple[int, Sequence[int]]]) -> bool:
        """Raise prices of what no host takes, lower those of what two do; true at the best yet."""
        least = sum(self.now) - sum(most for most, _ in bests)
        better = least > self.least
        self.waited = 0 if better else self.waited + 1
        used = [1] * len(self.now)
        for _, orders in bests:
            for order in orders:
                used[order] -= 1
        if better:
            self.least, self.best = least, list(self.now)
        elif self.waited >= _WAITED:
            self.pace, self.waited = self.pace / _SHORTER, 0
            self.now = list(self.best)
        far = sum(more * more for more in used)
        if far:
            step = self.pace * max(1, target - least) / far
            self.now = [
                max(0, price + int(step * more)) for price, more in zip(self.now, used, strict=True)
            ]
        return better
