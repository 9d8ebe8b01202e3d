"""Models of machines that sleep: llama-swap "starts" each by waking its machine.

A peer is asked at once, and llama-swap has no hook before it. A model has one: its command. So the
model of such a machine is an entry whose command wakes it and whose `proxy` is the machine itself;
llama-swap hands requests on once its health check is answered there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from msgspec.structs import replace

from llmgen.config.tables.gateway import External
from llmgen.config.tables.wake import Wake
from llmgen.library import Library
from llmgen.plan.plan import Group, Groups, Matrix, OnDemandRules
from llmgen.targets.swap_peers import external, others

# After this time without a request the machine may be asleep again: the next one wakes it anew.
_FORGOTTEN_SECONDS: Final = 30
# What answers a health check needs beside waking up.
_SPARE_SECONDS: Final = 15
# Requests to a peer have no limit; llama-swap's own would be 10.
_REQUESTS: Final = 1000
HEALTH: Final = "/health"
_SET: Final = "woken"


def woken(library: Library) -> Mapping[str, External]:
    """Models that llama-swap leads to whose machine is woken first."""
    return {name: table for name, table in external(library).items() if table.wake}


def entries(library: Library) -> Iterator[dict[str, Any]]:
    """llama-swap's models for them, in the words of its template."""
    for name, table in woken(library).items():
        if table.wake is not None:
            yield _entry(name, table, table.wake, library)


def patience(library: Library) -> int:
    """Seconds that the slowest of them takes to wake up."""
    found = [table.wake.seconds for table in woken(library).values() if table.wake]
    return max(found) + _SPARE_SECONDS if found else 0


def beside(engine: OnDemandRules, library: Library) -> OnDemandRules:
    """What is loaded together, with machines elsewhere beside all of it: they take no memory."""
    names = tuple(woken(library))
    if not names:
        return engine
    if isinstance(engine, Matrix) and engine.sets:
        return _in_matrix(engine, names)
    groups = engine.groups if isinstance(engine, Groups) else ()
    own = _free(_SET, [item.name for item in groups])
    # Persistent: what is loaded here unloads none of them.
    return Groups((*groups, Group(own, names, swap=False)))


def words(layout_llmgen: str, table: External, wake: Wake) -> tuple[str, ...]:
    """The command that wakes a machine and stays until llama-swap ends it."""
    return (
        layout_llmgen, "wake", "--mac", wake.mac, "--broadcast", wake.broadcast,
        "--seconds", str(wake.seconds), "--url", table.endpoint + health(wake), "--stay",
    )  # fmt: skip


def health(wake: Wake) -> str:
    """What a machine answers once it is awake."""
    return wake.health or HEALTH


def _entry(name: str, table: External, wake: Wake, library: Library) -> dict[str, Any]:
    more = dict(table.llama_swap)
    upstream = table.upstream_model or ("" if table.knows_aliases else name)
    return {
        "id": name,
        "title": "",
        "description": "",
        "command": [list(words(str(library.layout.llmgen), table, wake))],
        "command_stop": (),
        "proxy": table.endpoint,
        "upstream": upstream,
        "aliases": others(name, table, library),
        "env": [],
        "ttl": _FORGOTTEN_SECONDS,
        "unlisted": False,
        "concurrency_limit": _REQUESTS,
        "set_params_by_id": {},
        "filters": more.pop("filters", {}),
        "capabilities": {"context": table.ctx_size} if table.ctx_size else {},
        "check_endpoint": health(wake),
        "unload_timeout": library.config.services.llama_swap.unload_timeout,
        "more": more,
    }


def _in_matrix(engine: Matrix, names: tuple[str, ...]) -> Matrix:
    prefix = _free("w", [name[:1] for name in engine.variables])
    short = {f"{prefix}{at}": name for at, name in enumerate(names)}
    own = _free(_SET, engine.sets)
    dear = max(engine.evict_costs.values(), default=1)
    return replace(
        engine,
        variables={**engine.variables, **short},
        sets={
            **{name: f"({members}) & +{own}" for name, members in engine.sets.items()},
            own: " & ".join(short),
        },
        evict_costs={**engine.evict_costs, **dict.fromkeys(short, dear)},
    )


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name
