"""What llm.toml could say where less memory is left than planned; each change is planned first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from llmgen.cli.asking import asking
from llmgen.cli.pipeline import Read, known_plan
from llmgen.cli.what_if import changed
from llmgen.errors import PlanError
from llmgen.units import MIB, show_count

if TYPE_CHECKING:
    from llmgen.operate.left_by_others import Left
    from llmgen.operate.observed import Observed
    from llmgen.plan.model import Plan


def short_pools(found: Read, placed: Plan) -> tuple[Left, ...]:
    """Pools of which others leave less than the plan's worst state needs."""
    from llmgen.operate.stack import expected, observe

    who = asking(found)
    return short_of(placed, observe(placed, who, expected(placed, who.site)))


def short_of(placed: Plan, seen: Observed) -> tuple[Left, ...]:
    """The same from what was looked at already."""
    from llmgen.operate.left_by_others import left_by_others

    return tuple(item for item in left_by_others(placed, seen) if item.missing_bytes > 0)


def proposal(found: Read, placed: Plan, short: Left) -> str:
    """The keys to set, with what becomes of the models: a plan with them was made."""
    reserve = f"{short.more_bytes // MIB}MiB"
    key = f'`reserve = {{ {short.device} = "{reserve}" }}` in [budget]'
    try:
        smaller = known_plan(changed(found, [f'budget.reserve.{short.device}="{reserve}"']))
    except PlanError as error:
        ways = [item.hint for item in error.diagnostics if item.hint]
        return f"{key} counts them, and then: {ways[0]}" if ways else f"{key} counts them"
    changes = ", ".join(_changes(placed, smaller))
    return f"{key} plans with what is left" + (f": {changes}" if changes else "; all else stays")


def _changes(before: Plan, after: Plan) -> Iterator[str]:
    known = {item.name: item for item in before.placements}
    for item in after.placements:
        old = known[item.name]
        if old.estimate.n_ctx != item.estimate.n_ctx:
            was, now = show_count(old.estimate.n_ctx), show_count(item.estimate.n_ctx)
            yield f"`{item.name}` gets {now} tokens instead of {was}"
        if old.settings.cache_type_k != item.settings.cache_type_k:
            types = f"{item.settings.cache_type_k} instead of {old.settings.cache_type_k}"
            yield f"the cache of `{item.name}` is {types}"
