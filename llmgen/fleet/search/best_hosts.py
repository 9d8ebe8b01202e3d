"""The best placement in the documented order, and whether it is proved to be that.

First the fewest bytes that cannot be in memory at once (in steps of ``grain``), then the first in
llm.toml's order: each model as early in its list as some placement of the others allows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from llmgen.fleet.needs import HostBudget, ModelNeeds
from llmgen.fleet.search.depth_first import Search, SearchedEnough, Steps
from llmgen.fleet.search.first_fit import first_fit
from llmgen.fleet.search.homes import no_homes
from llmgen.fleet.search.kept_first import TooMany, kept_first
from llmgen.fleet.search.known_fits import AskedEnough, KnownFits, places
from llmgen.fleet.search.level_order import levels
from llmgen.fleet.search.levels import NEVER, Levels, Wanted
from llmgen.fleet.search.neighbours import with_less_over
from llmgen.fleet.search.priced import TooHard, priced

# Bytes over are closed in on by halves so many times before every better placement is looked for.
_HALVES = 12
# More hosts that have a choice are not searched.
_LEVELS = 64


class Filled(Struct, frozen=True):
    """For each host the bits of its models, and how many bytes cannot be in memory at once."""

    over: int
    models: tuple[int, ...]


class Best(Struct):
    """A search for one list of models; ``proved`` is false when something was not looked at."""

    hosts: Sequence[HostBudget]
    needs: Sequence[ModelNeeds]
    known: KnownFits
    steps: Steps
    grain: int = 1
    proved: bool = True

    def placed(self, wanted: Sequence[Wanted]) -> Filled | None:
        """The best placement, if there is one: of what shares no host each for itself."""
        return self._together(wanted, self._best)

    def possible(self, wanted: Sequence[Wanted]) -> bool:
        """Whether there is a placement; what was not proved to have none has none."""
        return self._together(wanted, self._any) is not None

    def _together(
        self,
        wanted: Sequence[Wanted],
        solve: Callable[[Sequence[Wanted]], Filled | None],
    ) -> Filled | None:
        fixed = [Wanted(item.must) for item in wanted]
        try:
            models = [_must(wanted, host) for host in range(len(self.hosts))]
            if not all(self.known.fits(*item) for item in enumerate(models)):
                return None
            for part in parts(wanted):
                own = [item if n in part else fixed[n] for n, item in enumerate(wanted)]
                found = solve(own)
                if found is None:
                    return None
                models = [one | other for one, other in zip(models, found.models, strict=True)]
        except (SearchedEnough, AskedEnough):
            self.proved = False
            return None
        return self._filled(models)

    def _any(self, wanted: Sequence[Wanted]) -> Filled | None:
        found = first_fit(self.hosts, self.needs, self.known, wanted)
        return self._filled(found) if found is not None else self._within(wanted, NEVER // 4)

    def _best(self, wanted: Sequence[Wanted]) -> Filled | None:
        found = self._any(wanted)
        if found is not None:
            self._ask_of_all(wanted)
            found = self._nearby(wanted, found)
            found, done = self._priced(wanted, found)
            if done:
                return found
            for better in (self._fewest, self._first):
                for filled in better(wanted, found):
                    found = filled
        return found

    def _nearby(self, wanted: Sequence[Wanted], found: Filled) -> Filled:
        if not found.over or _has_many(wanted):
            return found
        try:
            return self._filled(
                with_less_over(self.hosts, self.needs, self.known, wanted, found.models)
            )
        except AskedEnough:
            return found

    def _priced(self, wanted: Sequence[Wanted], found: Filled) -> tuple[Filled, bool]:
        """A better placement by prices of models, and whether it is the best in every way."""
        if not found.over or _has_many(wanted):
            return found, False
        own = Steps(self.steps.left * 7 // 8)
        before, search = own.left, None
        try:
            every = self._search(wanted, own)
            search = priced(every.levels, self.known, own, wanted, self.grain)
            if search is None:
                return found, False
            prices, rough = search.mended(found.over)
            for models in rough:
                found = self._mended(wanted, found, models)
            best = search.found(prices, (found.over // self.grain + 1) * self.grain - 1)
            return (
                (found, False) if best is None else (self._made(every.levels, wanted, best), True)
            )
        except (SearchedEnough, AskedEnough, TooHard):
            if search and search.better and search.better[0] < found.over:
                found = self._made(search.levels, wanted, search.better)
            return found, False
        finally:
            self.steps.left -= before - max(0, own.left)

    def _mended(self, wanted: Sequence[Wanted], found: Filled, rough: Mapping[int, int]) -> Filled:
        """What comes of a rough placement, with some models on many hosts and some on none."""
        tried = list(wanted)
        for place, item in enumerate(wanted):
            demand = self.needs[place].demand
            on = [host for host in item.may if rough.get(host, 0) >> place & 1]
            if on:
                host = min(on, key=lambda host: demand[self.hosts[host].name])
                tried[place] = Wanted((*item.must, host))
        models = first_fit(self.hosts, self.needs, self.known, tried)
        if models is None:
            return found
        better = self._nearby(wanted, self._filled(models))
        return better if better.over < found.over else found

    def _ask_of_all(self, wanted: Sequence[Wanted]) -> None:
        """Whether hosts hold all that they may have: what is known of that spares much."""
        for host in {host for item in wanted if item.copies for host in item.may}:
            every = sum(
                1 << place for place, item in enumerate(wanted) if host in (*item.must, *item.may)
            )
            try:
                self.known.fits(host, every)
            except AskedEnough:
                return

    def _fewest(self, wanted: Sequence[Wanted], found: Filled) -> Iterator[Filled]:
        """Better and better ones."""
        own = Steps(self.steps.left * 2 // 3)
        before = own.left
        try:
            found, done = yield from self._at_once(wanted, found, own)
            kept = [] if done else self._kept_first(wanted, found.over - 1, own)
            # Where least can be over is looked at first.
            for least, there in sorted(kept, key=lambda item: item[0]):
                for better in self._fewer(there, least, found, own):
                    found = better
                    yield found
                # All at once has been looked at: no placement of a part is better.
                if there is wanted:
                    break
        except (SearchedEnough, AskedEnough):
            self.proved = False
        # What is left is for the order of llm.toml.
        self.steps.left -= before - max(0, own.left)

    def _at_once(
        self, wanted: Sequence[Wanted], found: Filled, steps: Steps
    ) -> Generator[Filled, None, tuple[Filled, bool]]:
        """Better and better ones of all models; in the end the last, and whether it is the best."""
        # What is always on may have many places: these steps end most fleets sooner.
        own = Steps(steps.left // 4 if self._is_overfull(wanted, steps) else steps.left)
        before = own.left
        try:
            for better in self._fewer(wanted, 0, found, own):
                found = better
                yield found
        except SearchedEnough:
            return found, False
        finally:
            steps.left -= before - max(0, own.left)
        return found, True

    def _fewer(
        self, wanted: Sequence[Wanted], least: int, found: Filled, steps: Steps
    ) -> Iterator[Filled]:
        """Better and better ones, ``least`` over at least."""
        if least // self.grain >= found.over // self.grain:
            return
        halves, search = 0, self._search(wanted, steps)
        every = search.levels.every
        least = max(least, search.levels.over + search.levels.least_over(0, every))
        while least // self.grain < found.over // self.grain:
            middle = self._middle(least, found.over, halves)
            better = search.found(middle)
            halves += 1
            if better is None:
                least = middle + 1
            else:
                found = self._made(search.levels, wanted, better)
                yield found

    def _kept_first(
        self, wanted: Sequence[Wanted], limit: int, steps: Steps
    ) -> Iterator[tuple[int, Sequence[Wanted]]]:
        """Placements of what is always on, where bytes are over anyway; else all at once."""
        overfull = self._is_overfull(wanted, steps)
        every = self._search(wanted, steps).levels
        first = kept_first(every, wanted, steps.left // 4) if overfull else None
        if first is None:
            yield 0, wanted
            return
        before = first.left
        try:
            for item in first.placements(limit):
                steps.left, before = steps.left - (before - first.left), first.left
                yield item
        except TooMany:
            yield 0, wanted
        finally:
            steps.left -= before - first.left

    def _middle(self, least: int, over: int, halves: int) -> int:
        """The next limit: at first what cannot be less, which often can be, then halves."""
        most = over // self.grain * self.grain - 1
        if not halves:
            return min(least // self.grain * self.grain + self.grain - 1, most)
        return most if halves > _HALVES else (least + most) // 2

    def _first(self, wanted: Sequence[Wanted], found: Filled) -> Iterator[Filled]:
        """Each model as early in its list as can be, without more bytes over."""
        if _has_many(wanted):
            return
        now, limit = list(wanted), (found.over // self.grain + 1) * self.grain - 1
        for model in range(len(now)):
            passed: list[int] = []
            for host in wanted[model].may:
                item = now[model]
                if not item.copies:
                    break
                there = Wanted(
                    (*item.must, host), tuple(n for n in item.may if n != host), item.copies - 1
                )
                if item.copies == 1:
                    there = Wanted(there.must)
                without = Wanted(item.must, tuple(n for n in item.may if n != host), item.copies)
                if found.models[host] >> model & 1:
                    now[model] = there
                    continue
                tried = [*now]
                tried[model] = there
                # What an equal host cannot have this one cannot either.
                alike = any(self._equal(now, model, host, other) for other in passed)
                better = None if alike else self._decided(tried, limit)
                passed.append(host)
                now[model] = there if better is not None else without
                if better is not None:
                    found = better
                    yield found

    def _equal(self, wanted: Sequence[Wanted], model: int, one: int, other: int) -> bool:
        """Whether two hosts are of one kind, have nothing yet, and may have the same."""
        first, second = self.hosts[one], self.hosts[other]
        if first.alike != second.alike or first.budget != second.budget:
            return False
        for place, (item, needs) in enumerate(zip(wanted, self.needs, strict=True)):
            bytes_of = [
                (needs.demand.get(host.name), needs.least.get(host.name, 0))
                for host in (first, second)
            ]
            if one in item.must or other in item.must:
                return False
            if place != model and item.copies and (one in item.may) != (other in item.may):
                return False
            if (place == model or item.copies) and bytes_of[0] != bytes_of[1]:
                return False
        return True

    def _decided(self, wanted: Sequence[Wanted], limit: int) -> Filled | None:
        # One hard question leaves steps for the next.
        own = Steps(max(1, self.steps.left // 4))
        before = own.left
        try:
            return self._within(wanted, limit, own)
        except (SearchedEnough, AskedEnough):
            self.proved = False
            return None
        finally:
            self.steps.left -= before - max(0, own.left)

    def _within(
        self, wanted: Sequence[Wanted], limit: int, steps: Steps | None = None
    ) -> Filled | None:
        steps = steps or self.steps
        if self._is_overfull(wanted, steps):
            half = Steps(steps.left // 2)
            before = half.left
            try:
                return self._within_kept(wanted, limit, half)
            except SearchedEnough:
                # All at once may take less.
                pass
            finally:
                steps.left -= before - max(0, half.left)
        search = self._search(wanted, steps)
        found = search.found(limit)
        return None if found is None else self._made(search.levels, wanted, found)

    def _within_kept(self, wanted: Sequence[Wanted], limit: int, steps: Steps) -> Filled | None:
        for _, there in self._kept_first(wanted, limit, steps):
            search = self._search(there, steps)
            found = search.found(limit)
            if found is not None:
                return self._made(search.levels, there, found)
        return None

    def _is_overfull(self, wanted: Sequence[Wanted], steps: Steps) -> bool:
        """Whether bytes are over wherever models are."""
        levels = self._search(wanted, steps).levels
        return levels.least_over(0, levels.every) > 0

    def _search(self, wanted: Sequence[Wanted], steps: Steps | None = None) -> Search:
        steps = steps or self.steps
        # Tables of sums are made first: what they cost counts as steps.
        steps.left -= 4 * sum(len(item.may) for item in wanted if item.copies)
        if steps.left < 0 or _has_many(wanted):
            raise SearchedEnough
        made = levels(self.hosts, self.needs, wanted)
        return Search(self.known, made, steps, no_homes(self.known, made))

    def _made(
        self, there: Levels, wanted: Sequence[Wanted], found: tuple[int, tuple[int, ...]]
    ) -> Filled:
        models = [_must(wanted, host) for host in range(len(self.hosts))]
        for level, given in zip(there.levels, found[1], strict=True):
            models[level.host] |= given
        return Filled(found[0], tuple(models))

    def _filled(self, models: Sequence[int]) -> Filled:
        return Filled(over(self.hosts, self.needs, models), tuple(models))


def parts(wanted: Sequence[Wanted]) -> list[set[int]]:
    """Models that have a choice, by the hosts that they share with each other."""
    found = list[tuple[set[int], set[int]]]()
    for place, item in enumerate(wanted):
        if item.copies:
            models, hosts = {place}, {*item.may}
            for other in [other for other in found if other[1] & hosts]:
                found.remove(other)
                models, hosts = models | other[0], hosts | other[1]
            found.append((models, hosts))
    return [models for models, _ in found]


def _has_many(wanted: Sequence[Wanted]) -> bool:
    return len({host for item in wanted if item.copies for host in item.may}) > _LEVELS


def over(hosts: Sequence[HostBudget], needs: Sequence[ModelNeeds], models: Iterable[int]) -> int:
    """Bytes that cannot be in memory at once."""
    sums = (
        sum(needs[place].demand[host.name] for place in places(held))
        for host, held in zip(hosts, models, strict=True)
    )
    return sum(max(0, taken - host.budget) for host, taken in zip(hosts, sums, strict=True))


def _must(wanted: Sequence[Wanted], host: int) -> int:
    return sum(1 << place for place, item in enumerate(wanted) if host in item.must)
