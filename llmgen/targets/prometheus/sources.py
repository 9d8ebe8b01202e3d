"""Where the memory that a pool holds can be read: expressions, the best source first."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.budget.memory import HOST
from llmgen.plan.plan import Plan, Pool
from llmgen.targets.prometheus.scrape import host
from llmgen.units import MIB


def text(value: str) -> str:
    """A string of PromQL."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def chosen(plan: Plan, **labels: str) -> str:
    """Labels that choose this machine's series."""
    pairs = {"host": host(plan), **labels}
    return "{" + ",".join(f"{key}={text(value)}" for key, value in pairs.items()) + "}"


def used(plan: Plan, pool: Pool) -> str:
    """Bytes that a pool holds, whoever holds them, as one series without labels.

    `llmgen status --prometheus` says it of every pool; where that is not there, llama-swap's own
    metrics, node_exporter (its collector `drm` for AMD) or dcgm-exporter do, of what they know.
    """
    return " or ".join(_used(plan, pool))


def _used(plan: Plan, pool: Pool) -> Iterator[str]:
    here = chosen(plan)
    yield f"max(llmgen_pool_used_bytes{chosen(plan, pool=pool.name)})"
    if HOST in pool.views:
        yield f"max(node_memory_MemTotal_bytes{here} - node_memory_MemAvailable_bytes{here})"
        yield f"max(llamaswap_memory_used_bytes{here})"
        return
    devices = [item.key for item in plan.library.machine.devices]
    numbers = [devices.index(view) for view in pool.views if view in devices]
    if plan.library.machine.unified:
        # A ceiling within the system's memory: what the driver maps of it.
        if plan.library.machine.backend in ("rocm", "vulkan"):
            yield f"sum(node_drm_memory_gtt_used_bytes{here})"
        return
    swap = [f"max(llamaswap_gpu_memory_used_bytes{chosen(plan, id=str(at))})" for at in numbers]
    yield " + ".join(swap)
    if plan.library.machine.backend == "cuda":
        cards = [f"max(DCGM_FI_DEV_FB_USED{chosen(plan, gpu=str(at))})" for at in numbers]
        yield f"({' + '.join(cards)}) * {MIB}"
    elif len(devices) == 1:
        # Which of several cards is which, the kernel's numbers do not tell.
        yield f"max(node_drm_memory_vram_used_bytes{here})"
