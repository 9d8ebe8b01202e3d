"""What containers change in the plan's memory: limits, and what they may hold beside the models."""

from __future__ import annotations

from msgspec import Struct

from llmgen.plan.plan import Plan
from llmgen.targets.containers.derive import containers
from llmgen.targets.llama_swap import file_bytes
from llmgen.units import show_size


class HostShare(Struct, frozen=True):
    """One container's part of the host's memory, in bytes.

    ``limit`` 0 is none; all that follows is within it. ``swap`` is what it may have of the swap
    beside it. ``tmpfs`` and ``shm`` are the most that /tmp and /dev/shm hold. ``files`` are the
    model files that it maps: as page cache they count for the container that reads them first, and
    go when the limit needs the room.
    """

    name: str
    limit: int
    swap: int
    tmpfs: int
    shm: int
    files: int


def shares(plan: Plan) -> tuple[HostShare, ...]:
    """Every container's share; nothing where the services are the machine's own programs."""
    if plan.library.config.services.runtime == "native":
        return ()
    files = {item.name: file_bytes(item.model) for item in plan.placements}
    return tuple(
        HostShare(
            name=item.name,
            limit=item.memory.limit_bytes,
            swap=item.memory.swap_bytes,
            tmpfs=item.memory.tmpfs_bytes,
            shm=item.memory.shm_bytes,
            files=sum(files[name] for name in item.models),
        )
        for item in containers(plan, plan.library.host.config)
    )


def beside(found: tuple[HostShare, ...]) -> int:
    """Bytes that the containers may hold of the host beside what the plan counts."""
    return sum(item.tmpfs + item.shm for item in found)


def sentence(found: tuple[HostShare, ...]) -> str:
    """What the plan does not count, for a person; empty without containers."""
    if not found:
        return ""
    tmpfs, shm = (sum(getattr(item, key) for item in found) for key in ("tmpfs", "shm"))
    return (
        f"Beside the plan the containers may hold {show_size(beside(found))} of the host: "
        f"{show_size(tmpfs)} in /tmp, {show_size(shm)} in /dev/shm; none of them swaps"
    )
