"""The words when memory is short: who needs how much where, and the arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from llmgen.budget.memory import HOST, Estimate
from llmgen.config.tables.models import GENERATES
from llmgen.errors import Diagnostic, Severity
from llmgen.library import Library
from llmgen.plan import choices
from llmgen.plan.basis import basis_of
from llmgen.plan.plan import Pool
from llmgen.plan.requirements import Broken
from llmgen.plan.scale import Scale
from llmgen.plan.solve import Settled
from llmgen.plan.stack import Stack
from llmgen.plan.words import NO_WAY, listed
from llmgen.units import show_size


def contradiction(item: Broken, stack: Stack) -> Diagnostic:
    """Two wishes that exclude each other."""
    kept = tuple(name for name in item.quarrel if name in stack.kept)
    if item.requirement.wished or not kept:
        but, hint = f"they are {item.requirement.why}", "remove one of the wishes in [plan]"
    else:
        verb = "are" if len(kept) > 1 else "is"
        but = f"{listed(kept)} {verb} always loaded"
        hint = 'remove the wish, or make it `keep = "on_demand"` without `pin`'
    return Diagnostic(
        "plan.contradiction",
        f"{listed(item.quarrel)} must never meet, but {but}",
        item.requirement.key,
        hint=hint,
    )


def cramped(library: Library, settled: Mapping[str, Settled]) -> Iterator[Diagnostic]:
    """Contexts that `max` settled below what a chat needs; the model was trained for more."""
    for model in library.models:
        if not model.open.ctx_size or model.role not in GENERATES:
            continue
        size, longest = settled[model.name].settings.ctx_size, choices.contexts(model)[-1]
        slot = size // choices.slots(model.settings)
        if slot < choices.LEAST_CONTEXT and size < longest:
            reason = next(item for item in settled[model.name].reasons if item.key == "ctx_size")
            yield Diagnostic(
                "plan.small-context",
                f"`{model.name}` is left {slot} tokens for one request: {reason.why}",
                ("models", model.name, "ctx_size"),
                hint='write the number that you need, not "max", and llmgen says how it would fit',
                severity=Severity.WARNING,
            )


def shortage(
    item: Broken,
    weigh: Scale,
    stack: Stack,
    settled: Mapping[str, Settled],
    ways: Sequence[str],
) -> Diagnostic:
    """A pool that a required set of models overfills."""
    pool = next(limit for limit in weigh.pools if limit.name == item.pool)
    models = (*stack.always, *item.requirement.models)
    blamed = blamed_of(item, stack)
    own = ("models", blamed, "ctx_size") if blamed else ("hardware", "reserve")
    return Diagnostic(
        "budget.device-full",
        _sentence(item, stack, blamed),
        item.requirement.key if item.requirement.wished else own,
        hint=ways[0] if ways else NO_WAY,
        notes=(
            *_notes(pool, models, weigh, settled),
            *(f"also: {way}" for way in ways[1:]),
        ),
    )


def _sentence(item: Broken, stack: Stack, blamed: str) -> str:
    models, missing = item.requirement.models, show_size(item.missing_bytes)
    if not blamed:
        return f"{item.pool} is full before any model: its reserve is {missing} more than it has"
    used = stack.sums(models)[item.pool]
    own = (stack.demand.get(blamed) or stack.always.get(blamed) or {}).get(item.pool, 0)
    left = stack.budgets[item.pool] - used + own
    if not item.requirement.wished and own:
        has = f"has {show_size(left)} left" if left > 0 else "is full without it"
        return f"`{blamed}` needs {show_size(own)} on {item.pool}, which {has} ({missing} missing)"
    return (
        f"{listed(models)}, {item.requirement.why}, need {show_size(used)} on {item.pool}, "
        f"which has {show_size(stack.budgets[item.pool])} ({missing} missing)"
    )


def blamed_of(item: Broken, stack: Stack) -> str:
    """The on-demand model that is not pinned, else whoever takes most."""
    sizes = {**stack.always, **{name: stack.demand[name] for name in item.requirement.models}}
    fresh = {
        name: size
        for name, size in sizes.items()
        if name in stack.demand and name not in stack.pinned
    }
    among = fresh or sizes
    return max(among, key=lambda name: among[name].get(item.pool, 0), default="")


def _notes(
    pool: Pool,
    models: tuple[str, ...],
    weigh: Scale,
    settled: Mapping[str, Settled],
) -> Iterator[str]:
    reserve = f", {show_size(pool.reserve_bytes)} of it in reserve" if pool.reserve_bytes else ""
    yield f"{pool.name} has {show_size(pool.capacity_bytes)}{reserve}"
    for name in models:
        model, settings = weigh.models[name], settled[name].settings
        size = weigh.footprint(model, settings)[pool.name]
        if size:
            servers = 1 + model.copies
            parts = arithmetic(weigh.estimate(model, settings), pool, size // servers)
            times = f"{servers} servers x (" if servers > 1 else ""
            yield f"`{name}`: {show_size(size)} = {times}{parts}{')' if times else ''}"


def arithmetic(estimate: Estimate, pool: Pool, size: int) -> str:
    """A footprint as a sum: weights, kv cache, compute, host caches, margin, backend."""
    memory = [item for item in estimate.memory if item.device in pool.views]
    if estimate.basis:
        told = (
            f"{basis_of(estimate, item.device).value} {show_size(item.total)}" for item in memory
        )
        return " + ".join(told)
    parts = {
        "weights": sum(item.model for item in memory),
        "kv cache": sum(item.context for item in memory),
        "compute": sum(item.compute for item in memory),
        "prompt cache and outputs": estimate.host.total if HOST in pool.views else 0,
    }
    rest = size - sum(parts.values())
    parts["margin and backend"] = rest
    return " + ".join(f"{what} {show_size(value)}" for what, value in parts.items() if value)
