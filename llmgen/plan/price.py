"""What the order of open values costs: what steps of an earlier value would buy later ones.

The order is llm.toml's own (``[plan] prefer``); this only tells its price. A step is planned like
any other: the value is set, and what comes after it is settled anew, all other models as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.settings import ServerSettings
from llmgen.library import Model
from llmgen.plan import choices, splits
from llmgen.plan.changes import CACHE_BITS, CACHE_TYPES, host_read
from llmgen.plan.gap import gap
from llmgen.plan.open_values import KEYS, apply, is_open, values
from llmgen.plan.plan import Plan
from llmgen.plan.reasons import now
from llmgen.plan.scale import scale
from llmgen.plan.solve import resettled
from llmgen.plan.trial import Trial, required
from llmgen.units import show_size

# Keys with steps of their own; a split and devices follow from what is on them.
STEPPED = ("cache_type", "n_cpu_moe", "n_gpu_layers", "ctx_size")


class StepBack(Struct, frozen=True):
    """One value further back than it was settled, and what a later one would then be.

    ``read_bytes`` are read from host memory for each token, more than now; a context is that of one
    request. ``open`` values change with ``[plan] prefer``, others where llm.toml sets them.
    """

    model: str
    key: str
    now: str
    then: str
    buys: str
    buys_now: str
    buys_then: str
    read_bytes: int
    price: str = ""
    open: bool = True

    @property
    def sentence(self) -> str:
        """The step, what it buys and costs, and the key that changes the order."""
        costs = [self.price] if self.price else []
        if self.read_bytes > 0:
            costs.append(f"each token reads {show_size(self.read_bytes)} more from host memory")
        joined = "; ".join(costs)
        what = {"ctx_size": "tokens for one request"}.get(self.buys, f"as `{self.buys}`")
        order = f', with `prefer = ["{self.buys}"]` in [plan]' if self.open else ""
        return (
            f"`{self.model}`: `{self.key} = {self.then}` instead of {self.now} would give "
            f"{self.buys_then} {what} instead of {self.buys_now}"
            f"{f' ({joined})' if joined else ''}{order}"
        )


def nearest(steps: Iterable[StepBack]) -> Iterator[StepBack]:
    """The first step of each model."""
    return (next(group) for _, group in groupby(steps, key=lambda step: step.model))


def prices(plan: Plan, *, most: int = 1) -> Iterator[StepBack]:
    """For each model and each value that comes before another, up to ``most`` steps, doubling."""
    library = plan.library
    opened = [model for model in library.models if model.open]
    if not opened:
        return
    weigh, settled = scale(library), {item.name: item.settings for item in plan.placements}
    follow = {item.name: untold(item.model, item.settings) for item in plan.placements}
    # Shares that were sought, since in proportion they do not fit, stay as they are.
    settled = follow if splits.told(library, weigh, follow) == settled else settled
    trial = Trial(library, weigh, required(library), settled)
    for model in opened:
        yield from _of(trial, model, most)


def untold(model: Model, settings: ServerSettings) -> ServerSettings:
    """A model's settings without shares that follow from what the others leave."""
    if model.open.tensor_split or len(settings.devices) != len(model.settings.devices):
        return settings if model.open.tensor_split else replace(settings, tensor_split=())
    return replace(settings, tensor_split=model.settings.tensor_split)


def _of(trial: Trial, model: Model, most: int) -> Iterator[StepBack]:
    order = tuple(dict.fromkeys((*trial.library.config.plan.prefer, *KEYS)))
    for place, key in enumerate(order):
        later = tuple(item for item in order[place + 1 :] if is_open(model, item))
        gains = tuple(item for item in later if item in STEPPED)
        if is_open(model, key) and key in STEPPED and gains:
            yield from _steps(trial, model, key, later, most)
    if is_open(model, "ctx_size"):
        yield from _fixed(trial, model)


def _steps(
    trial: Trial, model: Model, key: str, later: Sequence[str], most: int
) -> Iterator[StepBack]:
    space, settled = gap(trial, model), trial.settings[model.name]
    told = ""
    for value in _further(values(space, key), _value(settled, key))[:most]:
        changed = apply(space, settled, {key: value})
        found = resettled(space, changed, later)
        for step in _bought(model, key, settled, found, later) if space.fits(found) else ():
            # A step beyond the best that it can buy buys nothing.
            if step.buys_then != told:
                yield step
            told = step.buys_then


def _further(options: Sequence[object], value: object) -> list[object]:
    """The next value, the second, the fourth after it, and so on to the last."""
    if value not in options:
        return []
    at, last = options.index(value), len(options) - 1
    places = [at + 2**power for power in range(20) if at + 2**power < last]
    return [options[place] for place in (*places, *((last,) if at < last else ()))]


def _value(settings: ServerSettings, key: str) -> object:
    if key == "cache_type":
        return settings.cache_type_k, settings.cache_type_v
    return getattr(settings, key)


def _fixed(trial: Trial, model: Model) -> Iterator[StepBack]:
    """Slots, shares and cache types that llm.toml sets: they come before any open context."""
    space, settled = gap(trial, model), trial.settings[model.name]
    count = choices.slots(settled)
    if count > 1:
        fewer = replace(settled, parallel=settled.parallel - 1)
        yield from _freed(space.model, "parallel", settled, _longest(trial, model, fewer))
    if len(settled.devices) > 1 and not model.options.tensor_split:
        yield from _shared(trial, model)
    if not is_open(model, "cache_type") and not settled.embedding:
        bits = CACHE_BITS.get(settled.cache_type_k, 4)
        kind = next((name for name in CACHE_TYPES if CACHE_BITS.get(name, 4.5) < bits), None)
        if kind is not None:
            smaller = replace(settled, cache_type_k=kind, cache_type_v=kind)
            yield from _freed(space.model, "cache_type", settled, _longest(trial, model, smaller))


def _shared(trial: Trial, model: Model) -> Iterator[StepBack]:
    """Shares by what each device has left, not by layers alone."""
    settled = trial.settings[model.name]
    other = replace(model, open=replace(model.open, tensor_split=True))
    space = gap(trial, other)
    found = resettled(space, apply(space, settled, {"tensor_split": "auto"}), ("ctx_size",))
    if space.fits(found):
        for step in _freed(model, "tensor_split", settled, found):
            yield replace(step, now="none", then='"auto"')


def _longest(trial: Trial, model: Model, settings: ServerSettings) -> ServerSettings:
    other = replace(model, settings=settings)
    return resettled(gap(trial, other), settings, ("ctx_size",))


def _freed(
    model: Model, key: str, before: ServerSettings, after: ServerSettings
) -> Iterator[StepBack]:
    for step in _bought(model, key, before, after, ("ctx_size",)):
        yield replace(step, open=False)


def _bought(
    model: Model,
    key: str,
    before: ServerSettings,
    after: ServerSettings,
    later: Sequence[str],
) -> Iterator[StepBack]:
    """The first later value that is better for it."""
    for item in later:
        if item not in STEPPED or not _better(item, before, after):
            continue
        read = host_read(model, after) - host_read(model, before)
        price = CACHE_TYPES.get(after.cache_type_k, "") if key == "cache_type" else ""
        yield StepBack(
            model.name, key, now(key, before), now(key, after),
            item, _said(item, before), _said(item, after), read, price,
        )  # fmt: skip
        return


def _better(key: str, before: ServerSettings, after: ServerSettings) -> bool:
    match key:
        case "ctx_size":
            return _slot(after) > _slot(before)
        case "n_cpu_moe":
            return after.n_cpu_moe < before.n_cpu_moe
        case "n_gpu_layers":
            layers = [item.n_gpu_layers % 2**31 for item in (before, after)]
            return layers[1] > layers[0]
        case _:
            bits = [CACHE_BITS.get(item.cache_type_k, 4) for item in (before, after)]
            return bits[1] > bits[0]


def _slot(settings: ServerSettings) -> int:
    return settings.ctx_size // choices.slots(settings)


def _said(key: str, settings: ServerSettings) -> str:
    """A context is said for one request."""
    return str(_slot(settings)) if key == "ctx_size" else now(key, settings)
