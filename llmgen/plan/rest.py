"""Open values at rest: the most modest ones with which what is settled already fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import TypeAlias

from llmgen.budget.settings import ServerSettings
from llmgen.library import Model
from llmgen.plan import choices
from llmgen.plan.gap import Gap
from llmgen.plan.open_values import apply, values

Holds: TypeAlias = Callable[[ServerSettings], bool]
# Keys that move parts of a model between devices and host.
OFFLOAD = ("n_cpu_moe", "n_gpu_layers")


def floor(model: Model) -> int:
    """The least context, all slots together, that other open values must leave where they can."""
    least = choices.LEAST_CONTEXT * choices.slots(model.settings)
    return min(least, choices.contexts(model)[-1])


def highest(model: Model, found: Callable[[int], ServerSettings | None]) -> ServerSettings | None:
    """What is found for the floor of an open context, else for the nearest below it."""
    if not model.open.ctx_size:
        return found(model.settings.ctx_size)
    sizes = choices.contexts(model)
    levels = range(floor(model), 0, -sizes.step)
    first = found(levels[0])
    if first is not None:
        return first
    at = first_true(len(levels), lambda index: found(levels[index]) is not None)
    return found(levels[at]) if at < len(levels) else None


def complete(
    gap: Gap,
    settings: ServerSettings,
    left: Sequence[str],
    *,
    spill: bool,
    context: int,
    holds: Holds | None = None,
) -> ServerSettings | None:
    """The settings with what is left open at rest so that everything fits; None if it cannot.

    With ``spill`` layers may leave the devices; an open context rests at ``context``.
    """
    holds = holds or gap.fits
    resting = [key for key in left if key not in OFFLOAD]
    moving = [key for key in left if key in OFFLOAD]
    for combination in product(*(_rest(gap, key, context) for key in resting)):
        rested = dict(zip(resting, combination, strict=True))
        for found in _moved(gap, settings, rested, moving, spill=spill):
            if holds(found):
                return found
    return None


def _rest(gap: Gap, key: str, context: int) -> Sequence[object]:
    match key:
        case "ctx_size":
            return (context,)
        case "cache_type":
            return choices.cache_types(gap.model)[::-1]
        case _:
            return values(gap, key)


def _moved(
    gap: Gap,
    settings: ServerSettings,
    rested: dict[str, object],
    moving: Sequence[str],
    *,
    spill: bool,
) -> Iterator[ServerSettings]:
    """As much as possible on the host, then nothing, then just as much as the devices need."""
    experts, layers = (key in moving for key in OFFLOAD)
    counts = choices.expert_layers(gap.model)
    ends = tuple(dict.fromkeys((counts[-1], counts[0]))) if experts else (None,)
    for count in ends:
        tried = rested if count is None else {**rested, "n_cpu_moe": count}
        if not layers or not spill:
            yield apply(gap, settings, {**tried, "n_gpu_layers": -1} if layers else tried)
            continue
        yield apply(gap, settings, {**tried, "n_gpu_layers": 0})
        yield just_enough(gap, settings, tried, "n_gpu_layers")
    if experts and len(counts) > 2:
        whole = {**rested, "n_gpu_layers": -1} if layers else rested
        yield just_enough(gap, settings, whole, "n_cpu_moe")


def just_enough(
    gap: Gap, settings: ServerSettings, beside: dict[str, object], key: str
) -> ServerSettings:
    """As few layers or experts on the host as let the devices hold the rest; else all of them."""
    options = values(gap, key)

    def tried(at: int) -> ServerSettings:
        return apply(gap, settings, {**beside, key: options[at]})

    at = first_true(len(options), lambda index: gap.fits_devices(tried(index)))
    return tried(min(at, len(options) - 1))


def first_true(count: int, holds: Callable[[int], bool]) -> int:
    """The first index from which a monotone statement holds."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
