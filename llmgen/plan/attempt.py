"""A library planned as far as it takes to know what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from pydantic import ValidationError

from llmgen.budget.memory import HOST
from llmgen.engines.loaders import loader_of
from llmgen.errors import KeyPath, LlmgenError
from llmgen.library import Keep, Library, Model
from llmgen.plan.bounds import hopeless
from llmgen.plan.derive import groups, router
from llmgen.plan.plan import Router
from llmgen.plan.ports import ports
from llmgen.plan.requirements import Broken, RequirementKey, broken, requirements
from llmgen.plan.rewrite import Edit, rewritten
from llmgen.plan.router_limits import RouterLimit, router_limits
from llmgen.plan.scale import Scale, scale, stack
from llmgen.plan.solve import Settled, settle
from llmgen.plan.splits import divided, is_left_out, sought
from llmgen.plan.stack import Stack
from llmgen.plan.trial import trial_of

# `engine = "groups"` where groups cannot say what fits; told only when all else is well.
GROUPS: Final[RequirementKey] = (("plan", "engine"), "groups", ())
# Settings with which a server would not start.
REFUSED: Final[RequirementKey] = (("models",), "refused", ())


class Attempt(Struct, frozen=True):
    """A library with its open values settled, as numbers, and what does not hold.

    ``unsearched`` says which placements were not tried.
    """

    library: Library
    weigh: Scale
    settled: Mapping[str, Settled]
    stack: Stack
    broken: tuple[Broken, ...]
    limits: tuple[RouterLimit, ...]
    wrong: frozenset[RequirementKey]
    unsearched: str = ""


def attempt(library: Library, weigh: Scale) -> Attempt:
    """The library planned; PlanError where a server would refuse its settings.

    Where shares in proportion overfill a device, all those that llm.toml leaves out are sought as
    ``tensor_split = "auto"`` is. What may be overfull by an override keeps its proportions.
    """
    found = by_rule(library, weigh)
    if library.config.budget.override or not _may_be_divided(found):
        return found
    other = divided(library)
    if hopeless(trial_of(other, weigh.of(other)), other.models):
        return found
    again = by_rule(other, weigh.of(other))
    if again.wrong - {GROUPS}:
        return replace(found, unsearched=again.unsearched)
    settled = {model.name: _told(model, again.settled[model.name]) for model in library.models}
    return replace(again, library=library, weigh=weigh, settled=settled)


def _may_be_divided(found: Attempt) -> bool:
    """Whether a model whose shares are left out has a part in what overfills a device."""
    left_out = {model.name for model in found.library.models if is_left_out(model)}
    kept = left_out & {*found.stack.always}
    devices = {pool.name for pool in found.weigh.pools if HOST not in pool.views}
    return any(
        item.pool in devices and (kept or left_out & {*item.requirement.models})
        for item in found.broken
    )


def _told(model: Model, settled: Settled) -> Settled:
    """The settings with the reason for shares that llm.toml left out."""
    if not is_left_out(model):
        return settled
    others = (item for item in settled.reasons if item.key != "tensor_split")
    return replace(settled, reasons=(*others, *sought(model, settled.settings)))


def by_rule(library: Library, weigh: Scale) -> Attempt:
    """The library planned with shares in proportion wherever llm.toml leaves them out."""
    solution = settle(library, weigh)
    settled = solution.settled
    footprints = {
        model.name: weigh.footprint(model, settled[model.name].settings) for model in library.models
    }
    numbers = stack(library, footprints, weigh.pools)
    limit, preload = router_of(library, numbers), _preloaded(library)
    found = tuple(broken(numbers, requirements(numbers, preload, limit)))
    limits = tuple(router_limits(library, numbers, limit, preload))
    wrong = {item.identity for item in found} | {item.identity for item in limits}
    if library.config.plan.engine == "groups" and limit is None and numbers.demand:
        wrong |= set() if groups(numbers).complete else {GROUPS}
    return Attempt(
        library, weigh, settled, numbers, found, limits, frozenset(wrong), solution.unsearched
    )


def rewritten_attempt(before: Attempt, edits: Iterable[Edit]) -> Attempt | None:
    """llm.toml with these edits, planned whole; None where that is refused before it is summed."""
    try:
        library = rewritten(before.library, edits)
        ports(library)
        same = library.machine == before.library.machine
        return attempt(library, before.weigh.of(library) if same else scale(library))
    except (LlmgenError, ValidationError):
        return None


def mends(after: Attempt | None, before: Attempt, key: KeyPath) -> bool:
    """Whether what is asked for under ``key`` holds afterwards, and nothing new is wrong.

    What groups cannot say counts when it is all that is left: then the plan is refused for it.
    """
    return after is not None and mended(after.wrong, before.wrong, key)


def mended(left: frozenset[RequirementKey], wrong: frozenset[RequirementKey], key: KeyPath) -> bool:
    """The same of what is wrong afterwards and before."""
    return left < wrong and left != {GROUPS} and all(broken_key != key for broken_key, *_ in left)


def router_of(library: Library, numbers: Stack) -> Router | None:
    """The router's limit, where it serves the on-demand models."""
    services = library.config.services
    if not loader_of(services).counts_models or not numbers.demand:
        return None
    wanted = services.router.models_max
    if wanted == "auto":
        return router(numbers)
    return Router(min(wanted or len(numbers.demand), len(numbers.demand)))


def _preloaded(library: Library) -> frozenset[str]:
    return frozenset(
        item.name for item in library.models if item.preload and item.keep is Keep.ON_DEMAND
    )
