"""What is known of which models fit a host together: an answer is asked for once.

Less than what fits does fit, and more than what does not fit does not. Sets are bits of an int, by
the models' place in the list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct, field

from llmgen.fleet.needs import HostBudget, Oracle


class AskedEnough(Exception):
    """More questions than are asked."""


class KnownFits(Struct):
    """The one-host planner, and what it has answered for each kind of host."""

    oracle: Oracle
    hosts: Sequence[HostBudget]
    names: Sequence[str]
    calls: int
    answers: dict[tuple[str, int], bool] = field(default_factory=dict)
    fitting: dict[str, list[int]] = field(default_factory=dict)
    # What the planner said of a whole host, which no other set says anything about.
    judged: dict[tuple[str, int], bool] = field(default_factory=dict)
    # Smallest sets that do not fit.
    clashes: dict[str, list[int]] = field(default_factory=dict)

    def holds(self, host: int, models: int) -> bool:
        """Whether a plan of these models stands; what was concluded of more than them is forgotten.

        Open values, for one, are settled with all models of a host: what is found for a set may be
        sought in vain for less, where the search is given up.
        """
        key = kind, _ = self.hosts[host].alike, models
        if key not in self.judged:
            self._asked(kind, host, models)
        if not self.judged[key]:
            self.answers[key] = False
            fitting = self.fitting.get(kind, [])
            self.fitting[kind] = [found for found in fitting if models & ~found]
        return self.judged[key]

    def fits(self, host: int, models: int) -> bool:
        """Whether the host holds these models as the planner says it must."""
        kind = self.hosts[host].alike
        known = self.answers.get((kind, models))
        if known is None:
            known = self.answers[kind, models] = self._found(kind, host, models)
        return known

    def surely(self, host: int, models: int) -> bool:
        """Whether the host is known to hold these models: nobody is asked."""
        kind = self.hosts[host].alike
        if self.judged.get((kind, models)) is False:
            return False
        return not models or any(models & ~found == 0 for found in self.fitting.get(kind, ()))

    def _found(self, kind: str, host: int, models: int) -> bool:
        fitting = self.fitting.setdefault(kind, [])
        if not models or any(models & ~found == 0 for found in fitting):
            return True
        if self.clash(host, models):
            return False
        if not self._asked(kind, host, models):
            return False
        self.fitting[kind] = [*(found for found in fitting if found & ~models), models]
        return True

    def _asked(self, kind: str, host: int, models: int) -> bool:
        """Whether the host may hold these models, by the planner itself."""
        if self.calls <= 0:
            raise AskedEnough
        self.calls -= 1
        found = self.oracle.verdict(self.hosts[host].name, self.named(models))
        self.judged[kind, models] = found.fits
        return found.may

    def named(self, models: int) -> frozenset[str]:
        """The names of a set."""
        return frozenset(self.names[place] for place in places(models))

    def clash(self, host: int, models: int) -> int:
        """A known set among these that does not fit; 0 when none is known."""
        for found in self.clashes.get(self.hosts[host].alike, ()):
            if found & ~models == 0:
                return found
        return 0

    def learn(self, host: int, models: int) -> None:
        """Find and keep a smallest set among these, which do not fit, that does not."""
        if not self.clash(host, models):
            found = self._smallest(host, 0, models, asked=True)
            self.clashes.setdefault(self.hosts[host].alike, []).append(found)

    def _smallest(self, host: int, base: int, models: int, *, asked: bool) -> int:
        """What of ``models`` is needed, beside ``base``, so that it does not fit (QuickXplain)."""
        if not asked and not self.fits(host, base):
            return 0
        if models & (models - 1) == 0:
            return models
        every = [*places(models)]
        first = sum(1 << place for place in every[: len(every) // 2])
        second = models & ~first
        late = self._smallest(host, base | first, second, asked=False)
        early = self._smallest(host, base | late, first, asked=not late)
        return early | late


def places(models: int) -> Iterator[int]:
    """The places of a set's models, in order."""
    while models:
        lowest = models & -models
        yield lowest.bit_length() - 1
        models ^= lowest
