"""What must fit for a plan to stand, and the diagnostics when it does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from msgspec import Struct

from llmgen.errors import KeyPath
from llmgen.plan.derive import heaviest_any
from llmgen.plan.plan import Router
from llmgen.plan.stack import Stack

KEPT_KEY: KeyPath = ("models",)
ROUTER_KEY: KeyPath = ("services", "router", "models_max")
# What is broken, named by what stays the same when sizes change: key, pool, quarrel.
RequirementKey: TypeAlias = tuple[KeyPath, str, tuple[str, ...]]


class Requirement(Struct, frozen=True):
    """On-demand models that must fit together beside every always-on one, and who wants it."""

    models: tuple[str, ...]
    key: KeyPath
    why: str

    @property
    def wished(self) -> bool:
        """Whether llm.toml asks for the set as such; else it is one model beside the kept ones."""
        return self.key[0] != "models" or len(self.key) > 2


class Broken(Struct, frozen=True):
    """A requirement that does not hold on a pool; ``pool`` is empty where a wish contradicts it."""

    requirement: Requirement
    pool: str = ""
    missing_bytes: int = 0
    quarrel: tuple[str, ...] = ()

    @property
    def key(self) -> KeyPath:
        """Where llm.toml asks for it."""
        return self.requirement.key

    @property
    def identity(self) -> RequirementKey:
        """What stays the same when sizes change."""
        return self.key, self.pool, self.quarrel


def requirements(
    stack: Stack, preload: frozenset[str] = frozenset(), router: Router | None = None
) -> Iterator[Requirement]:
    """Always-on and pinned, each model beside them, wishes, start-up, the router: in this order."""
    pinned = stack.ordered(stack.pinned)
    yield Requirement(pinned, KEPT_KEY, "always loaded")
    for name in stack.demand:
        if name not in stack.pinned:
            models = stack.ordered({name} | stack.pinned)
            yield Requirement(models, ("models", name), "loaded on demand")
    for index, group in enumerate(stack.together):
        models = stack.ordered(group | stack.pinned)
        yield Requirement(models, ("plan", "together", index), "wanted together")
    if preload:
        models = stack.ordered(preload | stack.pinned)
        yield Requirement(models, ("models", models[-1], "preload"), "loaded at start-up")
    if router is not None:
        yield from _any(stack, router.models_max)


def _any(stack: Stack, count: int) -> Iterator[Requirement]:
    for pool in stack.budgets:
        yield Requirement(heaviest_any(stack, count, pool), ROUTER_KEY, f"any {count} at a time")


def broken(stack: Stack, wanted: Iterable[Requirement]) -> list[Broken]:
    """What does not hold; a requirement that contains a broken one on the same pool is left out."""
    found: list[Broken] = []
    kept: set[str] = set()
    for item in wanted:
        models = frozenset(item.models)
        for pool, missing in stack.over(models).items():
            if pool not in kept and not (item.wished and _told(found, pool, models)):
                found.append(Broken(item, pool, missing))
        if item.key == KEPT_KEY:
            kept = {old.pool for old in found}
        # Which of any models meet is not theirs to say: shortage.router_findings speaks of wishes.
        for met in () if item.key == ROUTER_KEY else stack.quarrels(models):
            if all(old.quarrel != met for old in found):
                found.append(Broken(item, quarrel=met))
    return found


def _told(found: Iterable[Broken], pool: str, models: frozenset[str]) -> bool:
    return any(old.pool == pool and models >= frozenset(old.requirement.models) for old in found)
