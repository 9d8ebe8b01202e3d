"""What the search for hosts is told: how large each is, what each model takes, and who can say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct, field


class HostBudget(Struct, frozen=True):
    """A host and the bytes that models may use there, all pools together.

    Hosts of one ``kind`` are equal: the planner answers the same for each of them.
    """

    name: str
    budget: int
    kind: str = ""

    @property
    def alike(self) -> str:
        """One word for hosts of one kind."""
        return f"kind {self.kind}" if self.kind else f"host {self.name}"


class ModelNeeds(Struct, frozen=True):
    """One model: which ``copies`` of ``hosts`` can have it, and the bytes that it takes on each.

    ``demand`` knows every host that can have the model at all, also those that llm.toml does not
    allow; ``never`` says why each of the others cannot. ``least`` are bytes that the model takes
    on a host whatever else is there, and ``always`` says that they are taken at all times: only
    what is certain, since no placement over it is looked at.
    """

    name: str
    hosts: tuple[str, ...]
    demand: Mapping[str, int]
    copies: int = 1
    always: bool = False
    never: Mapping[str, str] = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether llm.toml leaves a choice."""
        return len(self.hosts) > self.copies

    @property
    def possible(self) -> tuple[str, ...]:
        """The hosts of its list that can have it."""
        return tuple(filter(self.able, self.hosts))

    def able(self, host: str) -> bool:
        """Whether a host can have it, allowed or not."""
        return host in self.demand and host not in self.never


class HostRoom(Struct, frozen=True):
    """What a host has left beside some models, in the state in which that is least.

    ``why`` is a sentence for where bytes do not tell it; ``pools`` are what the bytes are of.
    """

    free: int
    models: tuple[str, ...] = ()
    why: str = ""
    pools: tuple[str, ...] = ()


class HostVerdict(Struct, frozen=True):
    """Whether a host holds some models: as they are, and without what more models could mend.

    Less than what ``may`` fit, may.
    """

    fits: bool
    may: bool


class Oracle(Protocol):
    """The planner of one host."""

    def fits(self, host: str, models: frozenset[str]) -> bool:
        """Whether the host holds these models."""
        ...

    def verdict(self, host: str, models: frozenset[str]) -> HostVerdict:
        """The same in full, asked once."""
        ...

    def room(self, host: str, models: frozenset[str]) -> HostRoom:
        """What the host has left for another model beside these."""
        ...


class Choosing(Struct, frozen=True):
    """All that a choice of hosts is made from, in llm.toml's order."""

    hosts: Sequence[HostBudget]
    needs: Sequence[ModelNeeds]
    oracle: Oracle
