"""The last resort: look once how short memory is, and unload the longest idle model if it is."""

from __future__ import annotations

from pathlib import Path

import psutil
from msgspec import Struct
from msgspec.structs import replace

from llmgen.config.config import Config
from llmgen.errors import Diagnostic, Severity
from llmgen.operate.engines import within
from llmgen.operate.engines.engine import OnDemandEngine, engine
from llmgen.operate.engines.idle import candidates, read_seen, write_seen
from llmgen.operate.engines.server import GUARD, secret
from llmgen.operate.guard.evict import EvictVerdict, first, verdicts
from llmgen.operate.guard.pressure import PressureReading
from llmgen.operate.guard.unloads import add_unloads
from llmgen.operate.managers import containers
from llmgen.operate.status import look, memory
from llmgen.plan.plan import Placement, Plan
from llmgen.targets.containers.container import container_name
from llmgen.units import show_size


class Check(Struct, frozen=True):
    """One check: what memory said, what each model's case was, what went."""

    readings: tuple[PressureReading, ...]
    verdicts: tuple[EvictVerdict, ...]
    unloaded: tuple[str, ...]
    would_unload: str | None = None

    @property
    def is_short(self) -> bool:
        """Whether memory was short at the last look."""
        return any(item.is_short for item in self.readings)


def check(config: Config, state: Path, *, dry_run: bool) -> Check:
    """Look, and unload one model after another until memory is no longer short."""
    found = engine(config)
    runs, pid = _engine_process(config, found)
    if not runs:
        # An engine that does not run has loaded nothing; its timer may look all the same.
        return Check(tuple(memory.readings(config.guard.threshold)), (), ())
    unloaded: list[str] = []
    while True:
        seen = tuple(memory.readings(config.guard.threshold, pid))
        judged = _judge(config, found, state, keep=not dry_run)
        going = first(judged) if any(item.is_short for item in seen) else None
        if going is None or dry_run or going in unloaded:
            return Check(seen, tuple(judged), tuple(unloaded), going if dry_run else None)
        found.unload(replace(found.endpoint, agent=GUARD), going)
        add_unloads(state, 1)
        unloaded.append(going)


def _engine_process(config: Config, found: OnDemandEngine) -> tuple[bool, int]:
    """Whether the engine runs, and its process; 0 where that is hidden."""
    if found.endpoint.inside:
        name = container_name("swap" if found.name == "llama-swap" else "router")
        state = containers.states(within.program(config), [name]).get(name)
        return state is not None and state.is_active, state.pid if state else 0
    port = int(found.endpoint.url.rsplit(":", 1)[-1])
    listening = look.listeners([port])
    process = listening.get(port)
    return port in listening, process.pid if process else 0


def gate(plan: Plan, placement: Placement) -> list[Diagnostic]:
    """Why a server should not start now: pools in which others hold its memory.

    What cannot be found out does not keep a server from starting.
    """
    free = {"host": psutil.virtual_memory().available, **memory.free_devices()}
    return [
        Diagnostic(
            "guard.no-room",
            f"`{placement.name}` needs {show_size(needed)} of {pool.name}, "
            f"and {show_size(left)} are free",
            hint="other programs hold it; `llmgen status` shows the stack's own part",
            severity=Severity.WARNING,
        )
        for pool in plan.pools
        if (needed := placement.footprint.get(pool.name, 0))
        and (left := _left(pool.views, free)) is not None
        and needed > left
    ]


def _left(views: tuple[str, ...], free: dict[str, int]) -> int | None:
    """Free bytes of a pool: unified memory is the host's."""
    known = [free[view] for view in views if view in free]
    return free["host"] if "host" in views else sum(known) if known else None


def _judge(config: Config, found: OnDemandEngine, state: Path, *, keep: bool) -> list[EvictVerdict]:
    path = state / "guard.json"
    pinned = {name for name, model in config.models.items() if model.pin}
    key = secret(config.services.api_key, config)
    loaded = found.loaded(found.endpoint)
    listed, remembered = candidates(found, loaded, key, read_seen(path))
    if keep:
        write_seen(path, remembered)
    return verdicts(listed, pinned, config.guard.min_idle)
