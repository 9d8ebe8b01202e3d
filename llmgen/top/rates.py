"""How fast tokens come, and since when nothing does: what two looks at the same slots differ in."""

from __future__ import annotations

from collections.abc import Mapping

from llmgen.operate.status.observations import ServerState, SlotWork

# The work of each model's slots at a look.
Works = Mapping[str, tuple[SlotWork, ...]]


def works(answers: Mapping[str, ServerState]) -> dict[str, tuple[SlotWork, ...]]:
    """What the slots of every server that tells worked at."""
    return {name: answer.work for name, answer in answers.items() if answer.work}


def rate(before: tuple[SlotWork, ...], now: tuple[SlotWork, ...], seconds: float) -> float | None:
    """Tokens per second between two looks; None at the first one.

    A task that began since counts whole: what it did then it did within the time. One that began
    and ended between two looks is not seen where another took its slot.
    """
    if not before or seconds <= 0:
        return None
    known = {item.slot: item for item in before}
    return sum(_more(known.get(item.slot), item) for item in now) / seconds


def _more(before: SlotWork | None, now: SlotWork) -> int:
    if before is None or before.task != now.task:
        return now.tokens
    return max(0, now.tokens - before.tokens)
