"""What is searched: hosts and models, what the planner said of them, and the steps left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from llmgen.fleet.needs import HostBudget, ModelNeeds
from llmgen.fleet.search.depth_first import Search
from llmgen.fleet.search.homes import no_homes
from llmgen.fleet.search.known_fits import KnownFits, places
from llmgen.fleet.search.level_order import levels
from llmgen.fleet.search.levels import Levels, Wanted
from llmgen.fleet.search.steps import SearchAllowance, SearchedEnough

# More hosts that have a choice are not searched.
_LEVELS = 64


class FilledHosts(Struct, frozen=True):
    """For each host the bits of its models, and how many bytes cannot be in memory at once."""

    over: int
    models: tuple[int, ...]


class Task(Struct):
    """One list of hosts and one of models; bytes over count in steps of ``grain``."""

    hosts: Sequence[HostBudget]
    needs: Sequence[ModelNeeds]
    known: KnownFits
    steps: SearchAllowance
    grain: int = 1

    def search(self, wanted: Sequence[Wanted], steps: SearchAllowance | None = None) -> Search:
        """A search over the hosts with a choice; SearchedEnough where those are too many."""
        steps = steps or self.steps
        # Tables of sums are made first: what they cost counts as steps.
        steps.left -= 4 * sum(len(item.may) for item in wanted if item.copies)
        if steps.left < 0 or has_many(wanted):
            raise SearchedEnough
        made = levels(self.hosts, self.needs, wanted)
        return Search(self.known, made, steps, no_homes(self.known, made))

    def made(
        self, there: Levels, wanted: Sequence[Wanted], found: tuple[int, tuple[int, ...]]
    ) -> FilledHosts:
        """The placement that a search over some hosts found, with what must be there."""
        models = [must_have(wanted, host) for host in range(len(self.hosts))]
        for level, given in zip(there.levels, found[1], strict=True):
            models[level.host] |= given
        return FilledHosts(found[0], tuple(models))

    def filled(self, models: Sequence[int]) -> FilledHosts:
        """Each host's models with the bytes over."""
        return FilledHosts(over(self.hosts, self.needs, models), tuple(models))


def has_many(wanted: Sequence[Wanted]) -> bool:
    """Whether more hosts have a choice than are searched."""
    return len({host for item in wanted if item.copies for host in item.may}) > _LEVELS


def over(hosts: Sequence[HostBudget], needs: Sequence[ModelNeeds], models: Iterable[int]) -> int:
    """Bytes that cannot be in memory at once."""
    sums = (
        sum(needs[place].demand[host.name] for place in places(held))
        for host, held in zip(hosts, models, strict=True)
    )
    return sum(max(0, taken - host.budget) for host, taken in zip(hosts, sums, strict=True))


def must_have(wanted: Sequence[Wanted], host: int) -> int:
    """The bits of the models that must be on a host."""
    return sum(1 << place for place, item in enumerate(wanted) if host in item.must)
