"""How many pods of a model there may be, in whichever environment, and who is asked for them."""

from __future__ import annotations

from llmgen.cluster.cluster import Cluster, PodSet
from llmgen.cluster.fronts import spoken
from llmgen.gateway.backends import backends


def most_copies(cluster: Cluster, unit: PodSet) -> int:
    """Most pods behind a Service, in whichever environment: files of gateways are alike in all.

    Where there are fewer, what is let in waits at the servers instead of in the gateway.
    """
    if unit.kind != "model":
        return unit.copies
    name = unit.models[0]
    own = cluster.pools[unit.pool].table.models.get(name)
    told_here = own is not None and "hosts" in own.model_fields_set
    hosts = own.hosts if own is not None and told_here else cluster.config.models[name].hosts
    told = (item.copies.get(name, 0) for item in cluster.table.environments.values())
    return max(unit.copies, hosts, *told, 1)


def is_intercepted(cluster: Cluster, unit: PodSet) -> bool:
    """Whether gateways ask KEDA's interceptor instead of the pods, in every environment alike."""
    table = cluster.table.scale
    if not table.enable or table.by != "http-add-on" or unit.kind != "model":
        return False
    most = most_copies(cluster, unit)
    is_scaled = table.min < (most if table.max is None else min(table.max, most))
    return is_scaled and _is_led_to(cluster, unit)


def _is_led_to(cluster: Cluster, unit: PodSet) -> bool:
    """Whether the gateway has a way to it: what nobody wakes may not sleep."""
    if cluster.config.gateway.envoy.enable:
        return True
    return all(spoken(item) is not None for item in backends(unit.plan))
