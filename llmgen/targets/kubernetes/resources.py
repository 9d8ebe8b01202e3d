"""What a pod asks of its node: memory, cores and devices, from the plan's peak."""

from __future__ import annotations

from llmgen.cluster.cluster import Cluster, PodSet
from llmgen.targets.containers.container import Container
from llmgen.targets.kubernetes.names import Object
from llmgen.units import MIB

# Of programs that the plan does not count: Envoy keeps one body of each waiting request.
GATEWAY_BYTES = 1024 * MIB
# /dev/shm of programs whose processes share memory, which on a machine is the machine's own: those
# of vLLM and SGLang with several devices (vLLM's docs/serving/parallelism_scaling.md mounts it).
SHARED_BYTES = 2048 * MIB
# A program that only passes requests on.
_GATEWAY_MILLIS = 500


def memory_bytes(unit: PodSet, container: Container) -> int:
    """Memory of the node that the pod may have: the plan's limit, in whole MiB.

    With unified memory what is on the devices is the node's memory, too, and counted here.
    """
    limit = container.memory.limit_bytes or GATEWAY_BYTES
    if container.memory.host_ipc:
        limit += SHARED_BYTES
    if unit.plan.library.machine.unified:
        limit += device_bytes(unit)
    return -(-limit // MIB) * MIB


def device_bytes(unit: PodSet) -> int:
    """The most that the pod takes of its devices."""
    if not unit.devices:
        return 0
    pools = (item for item in unit.plan.headroom if "host" not in item.pool.views)
    return sum(item.peak_bytes for item in pools) // unit.nodes


def cpu_millis(unit: PodSet, cluster: Cluster) -> int:
    """Thousandths of a core that are reserved for it; more are used where they are free."""
    if unit.kind == "gateway":
        return _GATEWAY_MILLIS
    threads = unit.plan.library.machine.threads or 1
    cores = cluster.pools[unit.pool].table.cpu
    return 1000 * min(threads, cores or threads)


def resources(unit: PodSet, container: Container, cluster: Cluster) -> Object:
    """Requests and limits: of memory and devices they are the same, so that nobody is evicted."""
    memory = f"{memory_bytes(unit, container) // MIB}Mi"
    cpu = cpu_millis(unit, cluster)
    requests: Object = {
        "cpu": f"{cpu // 1000}" if cpu % 1000 == 0 else f"{cpu}m",
        "memory": memory,
    }
    limits: Object = {"memory": memory}
    resource = cluster.pools[unit.pool].resource
    if unit.devices and resource:
        requests[resource] = limits[resource] = str(unit.devices)
    found: Object = {"limits": limits, "requests": requests}
    if unit.devices and cluster.pools[unit.pool].table.device_class is not None:
        found["claims"] = [{"name": "devices"}]
    return found
