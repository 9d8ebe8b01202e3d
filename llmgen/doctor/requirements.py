"""What a stack needs of its machine, as a list for whoever sets it up; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from msgspec import Struct

from llmgen.config.editions import EDITIONS
from llmgen.detect.obtain import obtain
from llmgen.doctor.rules.programs import needed
from llmgen.doctor.rules.services import listening
from llmgen.plan.plan import Plan
from llmgen.targets.host.memory import (
    gtt_pages,
    has_gtt,
    is_within_default,
    locked_bytes,
    most_on_a_device,
    wired_mebibytes,
)
from llmgen.units import show_size

# Where programs answer with their version, from which editions know them.
_BUILD: Final = "llama_server"
_SWAP: Final = "llama_swap"


class ToolRequirement(Struct, frozen=True):
    """One thing that must be there; ``how`` is how people get it, empty where that is plain."""

    kind: str
    name: str
    wanted: str
    how: str = ""


def requirements(plan: Plan, tools: Collection[str]) -> Iterator[ToolRequirement]:
    """Programs, memory, disk, accounts, secrets and ports of a plan; ``tools`` install programs."""
    yield from _programs(plan, tools)
    yield from _memory(plan)
    yield from _disk(plan)
    yield from _accounts(plan)
    yield from _settings(plan)
    yield from _secrets(plan)
    for name, port in listening(plan).items():
        yield ToolRequirement("port", str(port), f"free for {name}")


def _programs(plan: Plan, tools: Collection[str]) -> Iterator[ToolRequirement]:
    edition = EDITIONS[plan.library.config.edition]
    tested = {_BUILD: ("build", *edition.builds), _SWAP: ("version", *edition.swap_versions)}
    for key, path in needed(plan).items():
        word, first, last = tested.get(key, ("", 0, 0))
        wanted = f"{word} {first} to {last}" if word else "any version"
        yield ToolRequirement("program", path, wanted, obtain(key, tools))


def _memory(plan: Plan) -> Iterator[ToolRequirement]:
    for pool in plan.pools:
        head = f"{show_size(pool.capacity_bytes)}, of which {show_size(pool.reserve_bytes)} stay"
        yield ToolRequirement("memory", pool.name, f"{head} for others")


def _disk(plan: Plan) -> Iterator[ToolRequirement]:
    files = {
        file.name: file.size_bytes for item in plan.placements for file in item.model.facts.files
    }
    if files:
        where, size = str(plan.library.layout.models), show_size(sum(files.values()))
        is_hub = any(item.model.ref.startswith("hf:") for item in plan.placements)
        count = f"{len(files)} file{'s' if len(files) != 1 else ''}"
        yield ToolRequirement(
            "disk", where, f"{size} for {count}", "`llmgen pull`" if is_hub else ""
        )


def _accounts(plan: Plan) -> Iterator[ToolRequirement]:
    table, machine = plan.library.config.services, plan.library.machine
    if table.scope != "system" or machine.os != "linux":
        return
    how = f"`sudo useradd --system --user-group {table.user}`"
    yield ToolRequirement("account", table.user, "runs the services", how)
    for name in table.groups if machine.devices else ():
        yield ToolRequirement(
            "group", name, "opens the devices", f"`sudo groupadd --system {name}`"
        )


def _settings(plan: Plan) -> Iterator[ToolRequirement]:
    """What `llmgen host` tells the machine, where its own default would not do."""
    library, machine = plan.library, plan.library.machine
    how = "`sudo llmgen host --install`"
    if has_gtt(machine):
        size = show_size(most_on_a_device(machine))
        yield ToolRequirement(
            "setting", "ttm.pages_limit", f"{gtt_pages(machine)}: GTT {size}", how
        )
    if machine.backend == "metal" and machine.devices and not is_within_default(machine):
        wanted = f"at least {wired_mebibytes(machine)}"
        yield ToolRequirement("setting", "iogpu.wired_limit_mb", wanted, how)
    locked = locked_bytes(plan)
    if locked and library.config.services.scope == "user" and machine.os == "linux":
        yield ToolRequirement("setting", "memlock", f"at least {show_size(locked)}", how)


def _secrets(plan: Plan) -> Iterator[ToolRequirement]:
    config = plan.library.config
    gateway = config.gateway
    named = [
        *(config.services.llama_swap.api_keys if "llama_swap" in needed(plan) else ()),
        *([config.services.api_key] if config.services.api_key else ()),
        *(key.secret for key in gateway.envoy.api_keys if gateway.envoy.enable),
        *([gateway.litellm.master_key] if gateway.litellm.enable and gateway.litellm.master_key
          else ()),
    ]  # fmt: skip
    for secret in named:
        kind = "variable" if secret.env else "file" if secret.file else "credential"
        name = secret.env or secret.file or secret.credential or ""
        yield ToolRequirement("secret", name, f"{kind} with a key")
