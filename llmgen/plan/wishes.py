"""Sets that llm.toml would like together: which of them cannot be, and the sum that forbids it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmgen.errors import Diagnostic, KeyPath, Severity
from llmgen.plan.plan import Groups, OnDemandRules, Router
from llmgen.plan.stack import Stack
from llmgen.plan.words import listed
from llmgen.units import show_size


def unmet(
    stack: Stack, wishes: Sequence[Sequence[str]], engine: OnDemandRules
) -> Iterator[Diagnostic]:
    """A warning for each set of `wish_together` that cannot be in memory together."""
    for index, group in enumerate(wishes):
        models, key = stack.ordered(group), ("plan", "wish_together", index)
        if not stack.allows({*models, *stack.pinned}):
            yield from [*_sums(stack, models, key)] or [*_rules(stack, models, key)]
        elif not _knows(engine, models):
            yield _warning(
                f"{listed(models)} are not loaded together: what loads models on demand cannot be "
                "told of every set that fits",
                key,
                '`engine = "matrix"` in [plan], with a llama-swap that knows it',
            )


def _sums(stack: Stack, models: tuple[str, ...], key: KeyPath) -> Iterator[Diagnostic]:
    beside = stack.ordered({*models, *stack.pinned})
    used = stack.sums(beside)
    for pool, missing in stack.over(beside).items():
        parts = [
            (name, size)
            for name, sizes in (*stack.always.items(), *((n, stack.demand[n]) for n in beside))
            if (size := sizes.get(pool, 0))
        ]
        summed = " + ".join(f"{show_size(size)} (`{name}`)" for name, size in parts)
        yield _warning(
            f"{listed(models)} are not loaded together: {pool} has "
            f"{show_size(stack.budgets[pool])} for models, and they need {show_size(used[pool])} "
            f"({show_size(missing)} missing)",
            key,
            "`together` instead asks for it, and llmgen says what would have to give way",
            f"{summed} = {show_size(used[pool])}",
        )


def _rules(stack: Stack, models: tuple[str, ...], key: KeyPath) -> Iterator[Diagnostic]:
    for met in stack.quarrels({*models, *stack.pinned}):
        yield _warning(
            f"{listed(models)} are not loaded together: {listed(met)} must never meet",
            key,
            "remove one of the wishes in [plan]",
        )


def _knows(engine: OnDemandRules, models: tuple[str, ...]) -> bool:
    """Whether an engine can reach a set that fits; a matrix names every wish that does."""
    match engine:
        case Router(models_max):
            return len(models) <= models_max
        case Groups(groups):
            return all(not group.swap or len({*group.members} & {*models}) < 2 for group in groups)
        case _:
            return True


def _warning(sentence: str, key: KeyPath, hint: str, *notes: str) -> Diagnostic:
    return Diagnostic(
        "plan.not-together", sentence, key, hint=hint, notes=notes, severity=Severity.WARNING
    )
