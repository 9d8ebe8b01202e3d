"""Context against memory: exact points for each cache type, and the longest that fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from llmgen.budget.settings import ServerSettings
from llmgen.library import Model
from llmgen.plan import choices
from llmgen.plan.gap import Gap, gap
from llmgen.plan.open_values import apply
from llmgen.plan.plan import Placement, Plan
from llmgen.plan.price import untold
from llmgen.plan.rest import first_true
from llmgen.plan.scale import scale
from llmgen.plan.trial import Trial, required
from llmgen.report.report import Contexts, Curve, Point

# Models whose points are computed, the largest first; each takes some sixty estimates.
TOLD = 24
TYPES = ("f16", "q8_0", "q4_0")
# The shortest context of a request that is a point.
LEAST = 2048


def contexts(plan: Plan) -> Iterator[Contexts]:
    """The models that llmgen computes, in llm.toml's order; of very many the largest."""
    computed = [item for item in plan.placements if item.model.is_llama]
    ranked = sorted(computed, key=lambda item: -sum(item.footprint.values()))[:TOLD]
    library = plan.library
    settled = {item.name: untold(item.model, item.settings) for item in plan.placements}
    trial = Trial(library, scale(library), required(library), settled)
    for item in computed:
        if item in ranked:
            found = _contexts(plan, item, gap(trial, item.model))
            if found.curves:
                yield found


def _contexts(plan: Plan, item: Placement, space: Gap) -> Contexts:
    settings = space.trial.settings[item.name]
    pool = max(plan.pools, key=lambda limit: item.footprint.get(limit.name, 0))
    slots = choices.slots(settings)
    trained = choices.contexts(item.model)[-1] // slots
    servers = 1 + item.model.copies
    return Contexts(
        model=item.name,
        pool=pool.name,
        room_bytes=space.left[pool.name],
        weights_bytes=servers
        * sum(one.model for one in item.estimate.memory if one.device in pool.views),
        now=settings.ctx_size // slots,
        trained=trained,
        curves=tuple(_curves(space, item.model, settings, pool.name, trained)),
    )


def _curves(
    space: Gap, model: Model, settings: ServerSettings, pool: str, trained: int
) -> Iterator[Curve]:
    """Cache types beside the model's own; once only where none makes a difference."""
    own = (settings.cache_type_k, settings.cache_type_v)
    others = () if settings.embedding else tuple((kind, kind) for kind in TYPES)
    told: set[tuple[Point, ...]] = set()
    for keys, values in dict.fromkeys((own, *others)):
        chosen = replace(settings, cache_type_k=keys, cache_type_v=values)
        slots = choices.slots(settings)
        longest = _longest(space, model, chosen)
        sizes = _sizes(trained, settings.ctx_size // slots, longest // slots)
        points = tuple(_points(space, chosen, sizes, slots, pool))
        if points and points not in told:
            told.add(points)
            yield Curve(keys, values, points, longest // slots)


def _sizes(trained: int, now: int, longest: int) -> Sequence[int]:
    """Powers of two up to the trained length, and what stands out."""
    doubled = [2**power for power in range(30) if LEAST <= 2**power <= trained]
    marked = [size for size in (now, longest) if size > 0]
    return sorted({*doubled, trained, *marked})


def _points(
    space: Gap, settings: ServerSettings, sizes: Sequence[int], slots: int, pool: str
) -> Iterator[Point]:
    for size in sizes:
        changed = apply(space, settings, {"ctx_size": size * slots})
        used = space.used(changed)
        # Where the server would refuse it there is nothing to draw.
        if used is not None:
            yield Point(size, used[pool], _short(space, changed, used))


def _short(space: Gap, settings: ServerSettings, used: Mapping[str, int]) -> str:
    over = {name: size - space.left[name] for name, size in used.items()}
    worst = max(over, key=lambda name: over[name])
    if over[worst] > 0:
        return worst
    # Where others' shares follow this model in turn, the whole is asked too.
    limit = None if space.exact else space.trial.limit(space.model, settings)
    return limit.pool if limit else ""


def _longest(space: Gap, model: Model, settings: ServerSettings) -> int:
    """The longest context of all slots that fits, in the planner's own steps; 0 if none does."""
    options = choices.contexts(model)[::-1]

    def fits(index: int) -> bool:
        return space.fits(apply(space, settings, {"ctx_size": options[index]}))

    at = first_true(len(options), fits)
    return options[at] if at < len(options) else 0
