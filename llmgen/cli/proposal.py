"""What llm.toml could say where less memory is left than planned; each change is planned first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from llmgen.cli.asking import asking
from llmgen.cli.pipeline import Read
from llmgen.units import MIB, show_count

if TYPE_CHECKING:
    from llmgen.operate.status.left_by_others import LeftMemory
    from llmgen.operate.status.observations import Observed
    from llmgen.plan.attempt import Attempt
    from llmgen.plan.plan import Plan
    from llmgen.plan.relief import MeasuredPlan, Pairs, Relief
    from llmgen.plan.rewrite import Edit

# So many pairs of models are told by name.
TOLD = 3


def short_pools(found: Read, placed: Plan) -> tuple[LeftMemory, ...]:
    """Pools in which the plan's worst state, as measured, has no room."""
    from llmgen.operate.status.stack import expected, observe

    who = asking(found)
    return short_of(placed, observe(placed, who, expected(placed, who.site)))


def short_of(placed: Plan, seen: Observed) -> tuple[LeftMemory, ...]:
    """The same from what was looked at already."""
    from llmgen.operate.status.left_by_others import left_by_others

    return tuple(item for item in left_by_others(placed, seen) if item.missing_bytes > 0)


def proposals(placed: Plan, shorts: Sequence[LeftMemory]) -> Iterator[tuple[LeftMemory, str]]:
    """Each short pool with the keys to set, and what becomes of the models with them.

    What was measured on any of them is counted in all.
    """
    from llmgen.plan.attempt import attempt, rewritten_attempt
    from llmgen.plan.relief import MeasuredPlan
    from llmgen.plan.scale import scale
    from llmgen.plan.words import edit_words

    edits = (*_reserve(placed, shorts), *_memory(placed, shorts))
    before = attempt(placed.library, scale(placed.library)) if shorts else None
    for short in shorts:
        counted = rewritten_attempt(before, edits) if before else None
        told = edit_words(edits)
        if before and counted:
            found = MeasuredPlan(before, counted, short.pool, short.models)
            yield short, f"{told} {_refused(found) if found.is_refused else _planned(found)}"
        else:
            yield short, f"{told} counts it"


def _reserve(placed: Plan, shorts: Sequence[LeftMemory]) -> Iterator[Edit]:
    """[budget] reserve with what other programs hold, and what no key of a model counts."""
    wanted = {item.device: item.more_bytes for item in shorts if item.more_bytes}
    if wanted:
        known, machine = placed.library.config.budget.reserve, placed.library.machine
        kept = {
            name: size
            for name, size in known.items()
            if (machine.key_of(name) or name) not in wanted
        }
        yield ("budget", "reserve"), _sizes({**kept, **wanted})


def _memory(placed: Plan, shorts: Sequence[LeftMemory]) -> Iterator[Edit]:
    """`memory` of the models that declare less than they were measured to hold."""
    from llmgen.engines.memory import Basis

    measured = {
        (item.model, item.device): item.measured_bytes
        for short in shorts
        for item in short.beyond
        if item.is_declared
    }
    for name in dict.fromkeys(model for model, _ in measured):
        estimate = placed.placement(name).estimate
        stated = [key for key, basis in estimate.basis.items() if basis is Basis.DECLARED]
        sizes = {key: measured.get((name, key), estimate.on(key)) for key in stated}
        yield ("models", name, "memory"), _sizes(sizes)


def _sizes(sizes: dict[str, int]) -> str:
    rows = (f'{key} = "{-(-size // MIB)}MiB"' for key, size in sizes.items())
    return f"{{ {', '.join(rows)} }}"


def _refused(found: MeasuredPlan) -> str:
    """What mends the plan once the measured figures are in it: one change of each sort."""
    from llmgen.plan.words import NO_WAY

    ways = [_mends(found, item) for item in found.reliefs()] or [NO_WAY]
    return f"counts it, and then{' one of' if len(ways) > 1 else ''}: {'; '.join(ways)}"


def _mends(found: MeasuredPlan, made: Relief) -> str:
    from llmgen.plan.words import edit_words

    lost = _apart(found.apart(made.after))
    return f"{edit_words(made.edits)} fits ({'; '.join([made.price, *lost])})"


def _planned(found: MeasuredPlan) -> str:
    """What the measured figures change, and what gives some of it back."""
    from llmgen.plan.words import edit_words

    lost = _apart(found.apart())
    changes = ", ".join([*_changes(found.before, found.counted), *lost])
    parts = [f"plans with what is left: {changes}" if changes else "plans with what is left"]
    parts += [_besides(found, item) for item in found.reliefs()] if changes else ["all else stays"]
    if edits := found.kept_apart():
        parts.append(f"or, instead of all that, {edit_words(edits)}")
    return "; ".join(parts)


def _besides(found: MeasuredPlan, made: Relief) -> str:
    from llmgen.plan.words import edit_words

    keys = {str(edit[0][-1]) for edit in made.edits}
    again = [
        f"`{one}` and `{two}` still meet"
        for one, two in found.apart()
        if made.after.stack.allows((one, two))
    ]
    won = [*_changes(found.counted, made.after, without=keys), *again]
    return f"{', '.join(won)} with {edit_words(made.edits)} besides ({made.price})"


def _apart(pairs: Pairs) -> list[str]:
    more = [f"{len(pairs) - TOLD} more pairs no longer meet"] if len(pairs) > TOLD else []
    return [*(f"`{one}` and `{two}` no longer meet" for one, two in pairs[:TOLD]), *more]


def _changes(before: Attempt, after: Attempt, without: set[str] | None = None) -> Iterator[str]:
    """Contexts and cache types that come out otherwise, but for the keys that were edited."""
    told = without or set()
    for name, now in after.settled.items():
        old, new = before.settled[name].settings, now.settings
        if old.ctx_size != new.ctx_size and "ctx_size" not in told:
            sizes = f"{show_count(new.ctx_size)} tokens instead of {show_count(old.ctx_size)}"
            yield f"`{name}` gets {sizes}"
        if old.cache_type_k != new.cache_type_k and "cache_type_k" not in told:
            yield f"the cache of `{name}` is {new.cache_type_k} instead of {old.cache_type_k}"
