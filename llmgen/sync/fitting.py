"""Which of the models that the rules take in can be planned together, and why the others cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from llmgen.errors import LlmgenError

# What a plan with these models says against them; None when it says nothing.
Refusal: TypeAlias = Callable[[Sequence[str]], LlmgenError | None]


def fitting(
    needed: Sequence[str], wanted: Sequence[str], refusal: Refusal
) -> tuple[tuple[str, ...], dict[str, LlmgenError]]:
    """The names that fit, the earlier ones first, and what was said against each of the others.

    Raises what is said against the ``needed`` ones alone: then nothing that sync does would help.
    One that does not fit costs as many plans as the list can be halved.
    """
    rest = [name for name in wanted if name not in needed]
    if (refusal([*needed, *rest])) is None:
        return (*needed, *rest), {}
    if (error := refusal(needed)) is not None:
        raise error
    taken, refused = [*needed], dict[str, LlmgenError]()
    _add(rest, taken, refused, refusal)
    return tuple(taken), refused


def _add(
    names: Sequence[str], taken: list[str], refused: dict[str, LlmgenError], refusal: Refusal
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
