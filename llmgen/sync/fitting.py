"""Which of the models that the rules take in can be planned together, and why the others cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from llmgen.errors import LlmgenError

# What a plan with these models says against them; None when it says nothing.
FitCheck: TypeAlias = Callable[[Sequence[str]], LlmgenError | None]


def fitting(
    needed: Sequence[str], wanted: Sequence[str], refusal: FitCheck
) -> tuple[tuple[str, ...], dict[str, LlmgenError]]:
    """The names that fit, the earlier ones first, and what was said against each of the others.

    Raises what is said against the ``needed`` ones alone: then nothing that sync does would help.
    Without those that the plan names it is tried first; where that does not do, one that does not
    fit costs as many plans as the list can be halved.
    """
    rest = [name for name in wanted if name not in needed]
    if (error := refusal([*needed, *rest])) is None:
        return (*needed, *rest), {}
    if (own := refusal(needed)) is not None:
        raise own
    blamed = _blamed(error, rest)
    others = [name for name in rest if name not in blamed]
    taken, refused = [*needed], dict[str, LlmgenError]()
    for names in (others, *([name] for name in blamed)):
        _add(names, taken, refused, refusal)
    return tuple(taken), refused


def _blamed(error: LlmgenError, names: Sequence[str]) -> list[str]:
    """The names that a refusal is about."""
    named = {item.key[:2] for item in error.diagnostics}
    return [name for name in names if ("models", name) in named]


def _add(
    names: Sequence[str], taken: list[str], refused: dict[str, LlmgenError], refusal: FitCheck
) -> None:
    """Take in what fits beside what is taken already."""
    if not names:
        return
    error = refusal([*taken, *names])
    if error is None:
        taken += names
    elif len(names) == 1:
        refused[names[0]] = error
    else:
        half = len(names) // 2
        _add(names[:half], taken, refused, refusal)
        _add(names[half:], taken, refused, refusal)
