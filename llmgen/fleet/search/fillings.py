"""What one host can be given when every model has a price: the best of all, or all near the best.

A host's models are halved; what two halves take is looked up in sorted sums of one of them
(Horowitz and Sahni 1974), so that 24 models cost two times 4,096 sums and not 16 million.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import add, sub

from msgspec import Struct

from llmgen.fleet.search.levels import NEVER, Copies, HostLevel


class Filling(Struct, frozen=True):
    """Models of one host by their order in the search, their bits, and bytes over."""

    orders: tuple[int, ...]
    bits: int
    over: int


class Half(Struct, frozen=True):
    """Half of a host's models, and the bytes of each set of them."""

    orders: Sequence[int]
    sizes: Sequence[int]

    def prices(self, prices: Sequence[int]) -> list[int]:
        """The price of each set."""
        return _sums([prices[order] for order in self.orders])

    def of(self, number: int) -> tuple[int, ...]:
        """The models of a set."""
        return tuple(order for n, order in enumerate(self.orders) if number >> n & 1)


class Fillings(Struct, frozen=True):
    """All sets of the models that a host may have; ``sorted`` are numbers of second halves by size.

    ``within`` says for each first half how many of these fit the budget beside it.
    """

    budget: int
    first: Half
    second: Half
    sorted: Sequence[int]
    sizes: Sequence[int]
    within: Sequence[int]
    models: Sequence[Copies]

    @property
    def cost(self) -> int:
        """Sums that are made each time."""
        return len(self.first.sizes) + len(self.second.sizes)

    def best(self, prices: Sequence[int]) -> tuple[int, tuple[int, ...]]:
        """The most that prices are above bytes over, and the models."""
        one, two = self._prices(prices)
        below, above = self._most(two)
        fits = [*map(add, one, map(below.__getitem__, self.within))]
        beyond = [*map(add, map(sub, one, self.first.sizes), map(above.__getitem__, self.within))]
        most, more = max(fits), max(beyond)
        if most >= more:
            number = fits.index(most)
            other = two.index(most - one[number])
        else:
            most, number = more, beyond.index(more)
            over = self.first.sizes[number] - self.budget
            gains = [*map(sub, two, self.sizes)]
            other = gains.index(most - one[number] + over, self.within[number])
        return most, (*self.first.of(number), *self.second.of(self.sorted[other]))

    def near(self, prices: Sequence[int], least: int) -> Iterator[Filling]:
        """Every set of models whose prices are that much above its bytes over."""
        one, two = self._prices(prices)
        below, above = self._most(two)
        beyond = [gain - size for gain, size in zip(two, self.sizes, strict=True)]
        for number, (price, size, within) in enumerate(
            zip(one, self.first.sizes, self.within, strict=True)
        ):
            if price + below[within] >= least:
                need = least - price
                for other in range(within):
                    if two[other] >= need:
                        yield self._filling(number, other, 0)
            if price - size + above[within] >= least:
                need = least - price + size - self.budget
                for other in range(within, len(two)):
                    if beyond[other] >= need:
                        yield self._filling(number, other, size + self.sizes[other] - self.budget)

    def _prices(self, prices: Sequence[int]) -> tuple[list[int], list[int]]:
        two = self.second.prices(prices)
        return self.first.prices(prices), [two[number] for number in self.sorted]

    def _most(self, two: Sequence[int]) -> tuple[list[int], list[int]]:
        """The most of the first so many second halves; of those from there on, what is over off."""
        beyond = [price - size for price, size in zip(two, self.sizes, strict=True)]
        above = [*accumulate(reversed(beyond), max)][::-1]
        return [-NEVER, *accumulate(two, max)], [*(most + self.budget for most in above), -NEVER]

    def _filling(self, number: int, other: int, over: int) -> Filling:
        orders = (*self.first.of(number), *self.second.of(self.sorted[other]))
        return Filling(orders, sum(self.models[order].bit for order in orders), over)


def fillings(level: HostLevel, known: Sequence[Copies]) -> Fillings:
    """Those of one level, all of whose models are on demand."""
    models = [(order, demand) for order, demand, _ in level.models]
    first, second = (
        Half([order for order, _ in part], _sums([demand for _, demand in part]))
        for part in (models[::2], models[1::2])
    )
    numbers = sorted(range(len(second.sizes)), key=second.sizes.__getitem__)
    sizes = [second.sizes[number] for number in numbers]
    within = [bisect_right(sizes, level.budget - size) for size in first.sizes]
    return Fillings(level.budget, first, second, numbers, sizes, within, known)


def _sums(values: Sequence[int]) -> list[int]:
    found = [0]
    for value in values:
        found += [there + value for there in found]
    return found
