"""What is said of a pool: who has no room, and what would make it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmgen.cluster.pool_numbers import PoolNumbers, Vector, holds, more, total
from llmgen.cluster.steps import Certainty
from llmgen.units import show_size

NOT_PROVED = "not proved: there are too many ways to place these pods to look at all of them"
IN_PLACE = "`maxSurge: 0` and `maxUnavailable: 1` (or `Recreate`): old pods make room for new ones"
BY_PRIORITY = (
    "`priority = 1000` in [kubernetes.pools.NAME]: larger pods come before smaller ones, and all "
    "find a node in any order"
)


def amount(size: Vector) -> str:
    """``2 GPUs, 24.9 GiB and 4 CPUs``: what is requested, or there."""
    return _listed([text for text in _parts(size) if text] or ["nothing"])


def _parts(size: Vector) -> Iterator[str]:
    devices, memory_bytes, cpu_millis = size[:3]
    yield _counted(devices, "GPU") if devices else ""
    yield show_size(memory_bytes) if memory_bytes else ""
    yield _cpus(cpu_millis) if cpu_millis else ""


def _cpus(millis: int) -> str:
    return f"{millis / 1000:g} CPU{'' if millis == 1000 else 's'}"


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def controllers(waiting: Sequence[tuple[str, int]]) -> str:
    """``2 pods of `chat` and 1 pod of `code```."""
    return _listed([f"{_counted(count, 'pod')} of `{name}`" for name, count in waiting])


def nodes_of(name: str, count: int) -> str:
    """``the 3 nodes of `gpu```."""
    return f"the {count} nodes of `{name}`" if count != 1 else f"the one node of `{name}`"


def no_room(pool: PoolNumbers, name: str, waiting: Sequence[tuple[str, int]]) -> str:
    """Why some pods have no node, however all are placed."""
    none = (0,) * len(pool.capacity)
    for kind in pool.kinds:
        if not holds(pool.capacity, none, kind.size):
            wanted, there = _short(kind.size, pool.capacity)
            return f"`{kind.names[0]}` requests {wanted}, and a node of `{name}` has {there}"
    every = total(pool.sizes, pool.counts, len(pool.capacity))
    whole = more(none, pool.capacity, pool.nodes)
    who, nodes = controllers(waiting), nodes_of(name, pool.nodes)
    if not pool.nodes:
        return f"no node of `{name}` is there for {who}"
    if not holds(whole, none, every):
        wanted, there = _short(every, whole)
        has = "has" if pool.nodes == 1 else "have"
        return f"no node for {who}: all pods request {wanted}, and {nodes} {has} {there}"
    size = next(kind.size for kind in pool.kinds if waiting[0][0] in kind.names)
    return f"no node for {who}: however the others are placed on {nodes}, none keeps {amount(size)}"


def _short(wanted: Vector, there: Vector) -> tuple[str, str]:
    """What is wanted of the resources that are short, and what there is of them."""
    short = [at for at, one in enumerate(wanted) if one > there[at]]
    return (
        _listed([_one(at, wanted[at]) for at in short]),
        _listed([_one(at, there[at]) for at in short]),
    )


def _one(resource: int, count: int) -> str:
    return (
        _counted(count, "GPU"),
        show_size(count),
        _cpus(count),
        _counted(count, "place") + " for pods",
    )[resource]


def may_wait(pool: PoolNumbers, name: str, controller: str) -> str:
    """Why a pod may have no node, although all have room if they are placed well."""
    size = next(kind.size for kind in pool.kinds if controller in kind.names)
    return (
        f"`{controller}` may find no node: kube-scheduler moves no pod, and the others may come to "
        f"stand so that none of {nodes_of(name, pool.nodes)} keeps {amount(size)}"
    )


def rollout(
    pool: PoolNumbers, name: str, controller: str, possible: Certainty, certain: Certainty
) -> str:
    """Why an update does not end, or may not."""
    if certain == "yes":
        return ""
    if possible != "no" and certain == "unknown":
        return NOT_PROVED
    size = next(kind.size for kind in pool.kinds if controller in kind.names)
    ends = "never ends" if possible == "no" else "may hang"
    return (
        f"an update of `{controller}` {ends}: beside all pods none of "
        f"{nodes_of(name, pool.nodes)} {'has' if possible == 'no' else 'may have'} "
        f"{amount(size)} left for a new one"
    )
