"""Memory pools of a machine, and what one server process takes from each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from llmgen.budget.memory import HOST, Estimate
from llmgen.budget.settings import ServerSettings
from llmgen.config.tables.containers import Apps
from llmgen.config.tables.gateway import Gateway
from llmgen.machine import Machine, MachineDevice
from llmgen.plan.plan import Footprint, Placement, Pool

# The one pool that host and devices of a machine with unified memory share.
UNIFIED = "unified"


def pools(machine: Machine, gateway: Gateway, apps: Apps) -> tuple[Pool, ...]:
    """Every limit on memory, the host's first; what gateways and programs take is reserved."""
    return tuple(_pools(machine, beside_bytes(gateway, apps)))


def _pools(machine: Machine, others: int) -> Iterator[Pool]:
    devices = tuple(device.key for device in machine.devices)
    shared = machine.unified and bool(devices)
    yield Pool(
        host=machine.host,
        name=UNIFIED if shared else HOST,
        views=(HOST, *devices) if shared else (HOST,),
        capacity_bytes=machine.memory_bytes,
        reserve_bytes=machine.reserve_bytes + others,
        source=machine.source,
    )
    for device in machine.devices:
        # Unified: a Metal working set, a GTT ceiling or a huge-page pool within the shared memory.
        yield Pool(
            host=machine.host,
            name=device.key,
            views=(device.key,),
            capacity_bytes=device.memory_bytes,
            reserve_bytes=device.reserve_bytes,
            source=machine.source,
        )
    for device in machine.borrowed:
        yield Pool(
            host=machine.host,
            name=device.key,
            views=(device.key,),
            capacity_bytes=device.memory_bytes,
            source=f"lent by {device.lender}",
        )


def beside_bytes(gateway: Gateway, apps: Apps) -> int:
    """Host memory of LiteLLM's workers and Open WebUI; Envoy's tens of MiB are in the reserve."""
    litellm, page = gateway.litellm, apps.open_webui
    workers = litellm.workers * litellm.memory if litellm.enable else 0
    return workers + (page.memory if page.enable else 0)


def footprint(
    estimate: Estimate,
    settings: ServerSettings,
    limits: Iterable[Pool],
    *,
    overhead: int,
    borrowed: Sequence[MachineDevice] = (),
    margin: bool = True,
) -> dict[str, int]:
    """Bytes of one process on each pool, the backend's own on each of its devices included.

    On ``borrowed`` devices it is that of the RPC server there.
    """
    own = {item.key: item.overhead_bytes for item in borrowed}
    used = frozenset(settings.devices) | frozenset(settings.draft.devices if settings.draft else ())

    def on(view: str) -> int:
        spared = 0 if margin else estimate.margin.get(view, 0)
        return estimate.on(view) - spared + (own.get(view, overhead) if view in used else 0)

    return {pool.name: sum(map(on, pool.views)) for pool in limits}


def backend_bytes(item: Placement, machine: Machine) -> dict[str, int]:
    """What backends take beside llama.cpp's buffers: for the process, and for its model."""
    if not item.model.is_llama:
        return {}
    borrowed = {device.key: device.overhead_bytes for device in machine.borrowed}
    return {
        memory.device: borrowed.get(memory.device, machine.process_overhead_bytes)
        + item.estimate.temporaries.get(memory.device, 0)
        for memory in item.estimate.memory
        if memory.device != HOST
    }


def total(footprints: Iterable[Footprint], names: Sequence[str]) -> dict[str, int]:
    """Sum of several processes on each named pool."""
    sums = dict.fromkeys(names, 0)
    for item in footprints:
        for name in names:
            sums[name] += item.get(name, 0)
    return sums
