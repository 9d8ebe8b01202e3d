"""What changed with which build of llama.cpp: one line for each boundary."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

# Context and weights are exact from OLDEST to NEWEST; DEFAULT is the newest that the whole test
# grid has passed.
OLDEST: Final = 9464
NEWEST: Final = 11739
DEFAULT: Final = 11434


class Rule(Enum):
    """A rule that only some builds follow."""

    LOGITS_FOR_MICRO_BATCH = "logits for the whole micro-batch"
    WIDE_MASK = "f32 mask and its f16 copy"
    NEXTN_CACHED = "the nextn block has a cache"
    NEXTN_LOADED = "the nextn block is loaded"
    ONE_MORE_ACTIVATION = "one more activation block is alive"


@dataclass(frozen=True, slots=True)
class Step:
    """``rule`` holds from build ``since`` up to, and without, ``until``."""

    rule: Rule
    since: int = 0
    until: int = 10**9
    architectures: tuple[str, ...] = ()
    source: str = ""


STEPS: Final[tuple[Step, ...]] = (
    Step(Rule.LOGITS_FOR_MICRO_BATCH, until=9464, source="PR 23861, 23988"),
    Step(Rule.WIDE_MASK, until=9410, source="PR 23764"),
)


def rules(build: int, name: str) -> frozenset[Rule]:
    """The rules that ``build`` follows for the architecture ``name``."""
    return frozenset(
        step.rule
        for step in STEPS
        if step.since <= build < step.until
        and (not step.architectures or name in step.architectures)
    )


def build_warning(build: int) -> str:
    """One sentence when the figures are not known to hold for ``build``."""
    if build > NEWEST:
        return f"build {build} is newer than {NEWEST}, the newest that was measured"
    if build < OLDEST:
        return f"build {build} is older than {OLDEST}, from which on the figures are exact"
    return ""
