"""Where nothing helps on this machine: how far away it is, and the smallest one that would do."""

from __future__ import annotations

import json
from collections.abc import Iterator

from llmgen.config.tables.hardware import Hardware
from llmgen.config.tables.services import Budget
from llmgen.machine import Machine, machine
from llmgen.plan.attempt import Attempt, mends, rewritten_attempt
from llmgen.plan.changes import changes
from llmgen.plan.fit import size
from llmgen.plan.requirements import Broken
from llmgen.plan.rewrite import Edit
from llmgen.plan.shortage import blamed_of
from llmgen.plan.words import NO_WAY
from llmgen.profiles import profiles
from llmgen.units import show_count, show_size

# Planning a larger stack for every profile would take long.
_MOST = 100


def elsewhere(tried: Attempt, item: Broken) -> Iterator[str]:
    """One sentence: no change helps, what even the least context needs, which machine would do."""
    blamed = blamed_of(item, tried.stack)
    if not blamed:
        yield "a smaller `reserve`, or the `memory` that the machine really has"
        return
    least = _least_context(tried, item, blamed)
    larger = _larger(tried, item) if len(tried.library.models) <= _MOST else ""
    yield "; ".join(filter(None, (NO_WAY, least, larger)))


def _least_context(tried: Attempt, item: Broken, name: str) -> str:
    """Bytes of the blamed model with the least context that there is."""
    model = tried.library.model(name)
    sizes = [
        made.model.settings for made in changes(model, tried.library) if made.kind == "ctx_size"
    ]
    settings = sizes[-1] if sizes else tried.settled[name].settings
    used = tried.weigh.footprint(model, settings)[item.pool]
    budget = tried.stack.budgets[item.pool]
    if used <= budget:
        return ""
    if not model.is_llama:
        return f"`{name}` alone takes {show_size(used)} of {item.pool}"
    count = show_count(settings.ctx_size)
    return f"with {count} tokens of context `{name}` still needs {show_size(used)} of {item.pool}"


def _larger(tried: Attempt, item: Broken) -> str:
    """The smallest built-in machine on which this llm.toml is mended, of the same kind if any."""
    own = tried.library.machine
    for other in sorted(_machines(), key=lambda found: (not _alike(own, found), size(found))):
        if size(other) > size(own) and mends(
            rewritten_attempt(tried, _on(tried, other)), tried, item.key
        ):
            return (
                f"`profile = {json.dumps(other.profile)}` is the smallest built-in machine"
                f"{' of this kind' if _alike(own, other) else ''} on which it fits"
            )
    return ""


def _machines() -> list[Machine]:
    return [
        machine(Hardware(profile=name, host=name), Budget())
        for name, table in profiles().items()
        if "memory" in table
    ]


def _alike(one: Machine, other: Machine) -> bool:
    return (one.os, one.backend, one.unified) == (other.os, other.backend, other.unified)


def _on(tried: Attempt, other: Machine) -> tuple[Edit, ...]:
    host = json.dumps(tried.library.machine.host)
    text = f"{{ profile = {json.dumps(other.profile)}, host = {host} }}"
    return ((("hardware",), text),)
