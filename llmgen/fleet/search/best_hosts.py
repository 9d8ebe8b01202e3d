"""The best placement in the documented order, and whether it is proved to be that.

First the fewest bytes that cannot be in memory at once (in steps of ``grain``), then the first in
llm.toml's order: each model as early in its list as some placement of the others allows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

from llmgen.fleet.search.by_prices import by_prices, less_over
from llmgen.fleet.search.first_fit import first_fit
from llmgen.fleet.search.kept_first import TooMany, kept_first
from llmgen.fleet.search.known_fits import AskedEnough
from llmgen.fleet.search.levels import NEVER, Wanted
from llmgen.fleet.search.steps import SearchAllowance, SearchedEnough
from llmgen.fleet.search.task import FilledHosts, Task, has_many, must_have

# Bytes over are closed in on by halves so many times before every better placement is looked for.
_HALVES = 12


class Best(Task):
    """A search for one list of models; ``proved`` is false when something was not looked at."""

    proved: bool = True

    def placed(self, wanted: Sequence[Wanted]) -> FilledHosts | None:
        """The best placement, if there is one: of what shares no host each for itself."""
        return self._together(wanted, self._best)

    def possible(self, wanted: Sequence[Wanted]) -> bool:
        """Whether there is a placement; what was not proved to have none has none."""
        return self._together(wanted, self._any) is not None

    def _together(
        self,
        wanted: Sequence[Wanted],
        solve: Callable[[Sequence[Wanted]], FilledHosts | None],
    ) -> FilledHosts | None:
        fixed = [Wanted(item.must) for item in wanted]
        try:
            models = [must_have(wanted, host) for host in range(len(self.hosts))]
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
        return self.filled(models)

    def _any(self, wanted: Sequence[Wanted]) -> FilledHosts | None:
        found = first_fit(self.hosts, self.needs, self.known, wanted)
        return self.filled(found) if found is not None else self._within(wanted, NEVER // 4)

    def _best(self, wanted: Sequence[Wanted]) -> FilledHosts | None:
        found = self._any(wanted)
        if found is not None:
            self._ask_of_all(wanted)
            found = less_over(self, wanted, found)
            found, done = by_prices(self, wanted, found)
            if done:
                return found
            for better in (self._fewest, self._first):
                for filled in better(wanted, found):
                    found = filled
        return found

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

    def _fewest(self, wanted: Sequence[Wanted], found: FilledHosts) -> Iterator[FilledHosts]:
        """Better and better ones."""
        own = SearchAllowance(self.steps.left * 2 // 3)
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
        self, wanted: Sequence[Wanted], found: FilledHosts, steps: SearchAllowance
    ) -> Generator[FilledHosts, None, tuple[FilledHosts, bool]]:
        """Better and better ones of all models; in the end the last, and whether it is the best."""
        # What is always on may have many places: these steps end most fleets sooner.
        own = SearchAllowance(steps.left // 4 if self._is_overfull(wanted, steps) else steps.left)
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
        self, wanted: Sequence[Wanted], least: int, found: FilledHosts, steps: SearchAllowance
    ) -> Iterator[FilledHosts]:
        """Better and better ones, ``least`` over at least."""
        if least // self.grain >= found.over // self.grain:
            return
        halves, search = 0, self.search(wanted, steps)
        every = search.levels.every
        least = max(least, search.levels.over + search.levels.least_over(0, every))
        while least // self.grain < found.over // self.grain:
            middle = self._middle(least, found.over, halves)
            better = search.found(middle)
            halves += 1
            if better is None:
                least = middle + 1
            else:
                found = self.made(search.levels, wanted, better)
                yield found

    def _kept_first(
        self, wanted: Sequence[Wanted], limit: int, steps: SearchAllowance
    ) -> Iterator[tuple[int, Sequence[Wanted]]]:
        """Placements of what is always on, where bytes are over anyway; else all at once."""
        overfull = self._is_overfull(wanted, steps)
        every = self.search(wanted, steps).levels
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

    def _first(self, wanted: Sequence[Wanted], found: FilledHosts) -> Iterator[FilledHosts]:
        """Each model as early in its list as can be, without more bytes over."""
        if has_many(wanted):
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

    def _decided(self, wanted: Sequence[Wanted], limit: int) -> FilledHosts | None:
        # One hard question leaves steps for the next.
        own = SearchAllowance(max(1, self.steps.left // 4))
        before = own.left
        try:
            return self._within(wanted, limit, own)
        except (SearchedEnough, AskedEnough):
            self.proved = False
            return None
        finally:
            self.steps.left -= before - max(0, own.left)

    def _within(
        self, wanted: Sequence[Wanted], limit: int, steps: SearchAllowance | None = None
    ) -> FilledHosts | None:
        steps = steps or self.steps
        if self._is_overfull(wanted, steps):
            half = SearchAllowance(steps.left // 2)
            before = half.left
            try:
                return self._within_kept(wanted, limit, half)
            except SearchedEnough:
                # All at once may take less.
                pass
            finally:
                steps.left -= before - max(0, half.left)
        search = self.search(wanted, steps)
        found = search.found(limit)
        return None if found is None else self.made(search.levels, wanted, found)

    def _within_kept(
        self, wanted: Sequence[Wanted], limit: int, steps: SearchAllowance
    ) -> FilledHosts | None:
        for _, there in self._kept_first(wanted, limit, steps):
            search = self.search(there, steps)
            found = search.found(limit)
            if found is not None:
                return self.made(search.levels, there, found)
        return None

    def _is_overfull(self, wanted: Sequence[Wanted], steps: SearchAllowance) -> bool:
        """Whether bytes are over wherever models are."""
        levels = self.search(wanted, steps).levels
        return levels.least_over(0, levels.every) > 0


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
