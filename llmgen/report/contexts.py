"""Context against memory: exact points for each cache type, and the longest that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial

from msgspec.structs import replace

from llmgen.budget.settings import ServerSettings
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
        curves=tuple(_curves(space, settings, pool.name, trained)),
    )


def _curves(space: Gap, settings: ServerSettings, pool: str, trained: int) -> Iterator[Curve]:
    """Cache types beside the model's own; once only where none makes a difference."""
    own = (settings.cache_type_k, settings.cache_type_v)
    others = () if settings.embedding else tuple((kind, kind) for kind in TYPES)
    told: set[tuple[Point, ...]] = set()
    slots = choices.slots(settings)
    marks = _marks(trained)
    for keys, values in dict.fromkeys((own, *others)):
        chosen = replace(settings, cache_type_k=keys, cache_type_v=values)
        point = cache(partial(_point, space, chosen, slots, pool))
        longest = _longest(point, marks)
        stand_out = (size for size in (settings.ctx_size // slots, longest) if size > 0)
        points = tuple(filter(None, map(point, sorted({*marks, *stand_out}))))
        if points and points not in told:
            told.add(points)
            yield Curve(keys, values, points, longest)


def _marks(trained: int) -> Sequence[int]:
    """Powers of two up to the trained length, and that."""
    return [*(2**power for power in range(30) if LEAST <= 2**power < trained), trained]


def _point(space: Gap, settings: ServerSettings, slots: int, pool: str, size: int) -> Point | None:
    """Bytes with so long a context of each slot; None where the server would refuse it."""
    changed = apply(space, settings, {"ctx_size": size * slots})
    used = space.used(changed)
    return None if used is None else Point(size, used[pool], _short(space, changed, used))


def _short(space: Gap, settings: ServerSettings, used: Mapping[str, int]) -> str:
    over = {name: size - space.left[name] for name, size in used.items()}
    worst = max(over, key=lambda name: over[name])
    if over[worst] > 0:
        return worst
    # Where others' shares follow this model in turn, the whole is asked too.
    limit = None if space.exact else space.trial.limit(space.model, settings)
    return limit.pool if limit else ""


def _longest(point: Callable[[int], Point | None], marks: Sequence[int]) -> int:
    """The longest context of a slot that fits, in the planner's own steps; 0 if none does.

    It lies behind the last mark that fits: those are looked at in any case.
    """

    def fits(size: int) -> bool:
        found = point(size)
        return found is not None and not found.short

    behind = next((at for at, size in enumerate(marks) if not fits(size)), len(marks))
    first = marks[behind - 1] if behind else 0
    options = range(first, marks[min(behind, len(marks) - 1)], choices.STEP)[1:]
    count = first_true(len(options), lambda at: not fits(options[at]))
    return options[count - 1] if count else first
