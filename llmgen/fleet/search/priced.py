"""The best placement where a model takes other bytes on other hosts: by prices of models.

Whatever prices are, what they sum up to less the best that each host makes of them is over at
least (the dual of a set partition). A filling that is worse than its host's best by more than what
is left up to the limit is in no placement; of those that remain one is chosen for each host.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from msgspec import Struct

from llmgen.fleet.search.cover import FEW, Cover
from llmgen.fleet.search.fillings import Filling, Fillings, fillings
from llmgen.fleet.search.known_fits import KnownFits
from llmgen.fleet.search.levels import Levels, Wanted
from llmgen.fleet.search.prices import Prices
from llmgen.fleet.search.steps import SearchAllowance, SearchedEnough

# Rounds in which prices are mended over all fillings, and steps in which over those that are left.
_ROUNDS, _WORK = 20, 60_000
# More models are not halved.
_MODELS = 26
# So many of the best rounds are told.
_ROUGH = 6
# Fillings of all hosts that are looked at together.
_MOST = 40_000


class TooHard(Exception):
    """More fillings, or more steps, than are taken."""


class Priced(Struct):
    """A search for the best placement of all; ``every`` are all fillings of each level."""

    levels: Levels
    known: KnownFits
    steps: SearchAllowance
    grain: int
    wanted: Sequence[Wanted]
    every: Sequence[Fillings]
    # The best that was found before a search was given up.
    better: tuple[int, tuple[int, ...]] | None = None

    def mended(self, limit: int) -> tuple[Prices, list[dict[int, int]]]:
        """Prices by which much is over, and each host's models in the best rounds.

        Some models are on several hosts there, and some on none.
        """
        prices, rough = Prices(self._first()), list[dict[int, int]]()
        for _ in range(_ROUNDS):
            self._take(sum(each.cost for each in self.every) // 2)
            bests = [each.best(prices.now) for each in self.every]
            if prices.mend(limit - self.levels.over, bests):
                rough.append(
                    {
                        level.host: sum(self.levels.models[order].bit for order in orders)
                        for level, (_, orders) in zip(self.levels.levels, bests, strict=True)
                    }
                )
        return prices, rough[-_ROUGH:]

    def found(self, prices: Prices, limit: int) -> tuple[int, tuple[int, ...]] | None:
        """Bytes over and each level's models of the best one, at most so many over."""
        tried = prices.least + self.levels.over
        part = max(1, (limit - tried) // 8)
        # Few fillings are left where little may be over, and better prices are found by them.
        while tried < limit:
            tried = min(limit, ((tried + part) // self.grain + 1) * self.grain - 1)
            found = self._within(prices, tried - self.levels.over)
            if found is not None:
                return found
            # Better prices may already say that the next limits are too low.
            tried = max(tried, prices.least + self.levels.over)
        return None

    def _first(self) -> list[int]:
        """Prices to begin with: what each model takes where it takes little."""
        sizes: list[list[int]] = [[] for _ in self.levels.models]
        for level in self.levels.levels:
            for order, demand, _ in level.models:
                sizes[order].append(demand)
        return [sorted(found)[len(found) // 4] for found in sizes]

    def _take(self, steps: int) -> None:
        self.steps.left -= steps
        if self.steps.left < 0:
            raise SearchedEnough

    def _within(self, prices: Prices, limit: int) -> tuple[int, tuple[int, ...]] | None:
        """The best one of at most so many bytes over."""
        pool, mended = self._pool(prices, limit), Prices(list(prices.best))
        work = 0
        while work < _WORK:
            work += 400 + sum(map(len, pool)) // 2
            worth = [_worth(each, mended.now) for each in pool]
            most = [max(each) for each in worth]
            bests = [
                (top, each[gains.index(top)].orders)
                for each, gains, top in zip(pool, worth, most, strict=True)
            ]
            if mended.mend(limit, bests):
                spare = limit - mended.least
                if spare < 0:
                    self._take(work)
                    self._adopt(prices, mended.best)
                    return None
                pool = [
                    [item for item, gain in zip(each, gains, strict=True) if gain >= top - spare]
                    for each, gains, top in zip(pool, worth, most, strict=True)
                ]
                if sum(map(len, pool)) < FEW:
                    break
        self._take(work)
        self._adopt(prices, mended.best)
        return self._covered(pool, mended, limit)

    def _covered(
        self, pool: Sequence[Sequence[Filling]], prices: Prices, limit: int
    ) -> tuple[int, tuple[int, ...]] | None:
        """One filling of each host."""
        rows = []
        for each in pool:
            worth = _worth(each, prices.best)
            top = max(worth)
            rows.append(sorted((top - n, item.bits) for n, item in zip(worth, each, strict=True)))
            self._take(2 * len(each))
        base = self.levels.over
        cover = Cover(
            self.levels, self.known, self.steps, self.wanted, self.grain, prices.least + base
        )
        try:
            return cover.best(rows, limit + base)
        finally:
            self.better = cover.found

    def _adopt(self, prices: Prices, better: Sequence[int]) -> None:
        """Take prices that say more of all fillings."""
        self._take(sum(each.cost for each in self.every) // 2)
        least = sum(better) - sum(each.best(better)[0] for each in self.every)
        if least > prices.least:
            prices.least, prices.best = least, list(better)

    def _pool(self, prices: Prices, limit: int) -> list[list[Filling]]:
        found, number = list[list[Filling]](), 0
        for each in self.every:
            self._take(each.cost // 2)
            least = each.best(prices.best)[0] - (limit - prices.least)
            found.append([*islice(each.near(prices.best, least), _MOST - number)])
            number += len(found[-1])
            self._take(2 * len(found[-1]))
            if number >= _MOST:
                raise TooHard
        return found


def _worth(pool: Sequence[Filling], prices: Sequence[int]) -> list[int]:
    """What prices are above bytes over."""
    price = prices.__getitem__
    return [sum(map(price, item.orders)) - item.over for item in pool]


def priced(
    levels: Levels, known: KnownFits, steps: SearchAllowance, wanted: Sequence[Wanted], grain: int
) -> Priced | None:
    """How to search by prices; None where that is not for what there is to place."""
    sizes: dict[int, set[int]] = {}
    for level in levels.levels:
        for order, demand, _ in level.models:
            sizes.setdefault(order, set()).add(demand)
    # Equal bytes are one price, and equal hosts are one order of many.
    differ = any(len(found) > 1 for found in sizes.values())
    equal = any(at < level.last_equal for at, level in enumerate(levels.levels))
    if not differ or equal or len(sizes) < len(levels.models):
        return None
    if any(item.always or item.width > 1 for item in levels.models):
        return None
    if max(len(level.models) for level in levels.levels) > _MODELS:
        return None
    every = [fillings(level, levels.models) for level in levels.levels]
    return Priced(levels, known, steps, grain, wanted, every)
