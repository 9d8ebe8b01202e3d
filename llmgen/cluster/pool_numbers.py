"""A pool in numbers: pods that a scheduler cannot tell apart are one kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from llmgen.cluster.nodes import Amount, Nodes, Pod

# Devices, bytes, thousandths of a CPU, pods; or a count for each kind.
Vector: TypeAlias = tuple[int, ...]


class PodKind(Struct, frozen=True):
    """Pods of one size and one priority, and the controllers that they are of."""

    names: tuple[str, ...]
    size: Vector
    count: int
    priority: int


class PoolNumbers(Struct, frozen=True):
    """Nodes that are alike, and kinds of pods: the highest priority first, then the largest.

    ``sizes`` and ``counts`` are those of the kinds.
    """

    nodes: int
    capacity: Vector
    kinds: tuple[PodKind, ...]
    sizes: tuple[Vector, ...]
    counts: Vector

    def place(self, pod: Pod) -> int:
        """Which kind the controller's pods are of."""
        return next(at for at, kind in enumerate(self.kinds) if pod.name in kind.names)

    def smaller(self) -> PoolNumbers:
        """The pool with one node less."""
        return replace(self, nodes=max(0, self.nodes - 1))


def pool_of(nodes: Nodes, pods: Iterable[Pod]) -> PoolNumbers:
    """The pool in numbers; controllers without pods are left out."""
    capacity = (*_sizes(nodes.allocatable), nodes.most_pods)
    found: dict[tuple[int, Vector], list[Pod]] = {}
    for pod in pods:
        if pod.copies > 0:
            found.setdefault((pod.priority, (*_sizes(pod.request), 1)), []).append(pod)
    kinds = [
        PodKind(tuple(pod.name for pod in alike), size, sum(pod.copies for pod in alike), priority)
        for (priority, size), alike in found.items()
    ]
    kinds.sort(key=lambda kind: (share(kind.size, capacity), kind.size), reverse=True)
    kinds.sort(key=lambda kind: -kind.priority)
    sizes, counts = tuple(kind.size for kind in kinds), tuple(kind.count for kind in kinds)
    return PoolNumbers(max(0, nodes.count), capacity, tuple(kinds), sizes, counts)


def share(size: Vector, capacity: Vector) -> int:
    """How much of a node the size takes where it takes most, in millionths."""
    return max(one * 10**6 // max(1, whole) for one, whole in zip(size, capacity, strict=True))


def holds(capacity: Vector, used: Vector, size: Vector) -> bool:
    """Whether the size has room beside what is used."""
    # A loop: this is asked more than anything else.
    for whole, one, other in zip(capacity, used, size, strict=True):  # noqa: SIM110
        if one + other > whole:
            return False
    return True


def more(used: Vector, size: Vector, times: int = 1) -> Vector:
    """What is used with so many of the size."""
    return tuple([one + other * times for one, other in zip(used, size, strict=True)])


def total(sizes: Iterable[Vector], counts: Vector, width: int) -> Vector:
    """What so many of each kind take together."""
    used = (0,) * width
    for size, count in zip(sizes, counts, strict=True):
        if count:
            used = more(used, size, count)
    return used


def room(capacity: Vector, used: Vector, size: Vector, most: int) -> int:
    """How many of the size, at most so many, have room beside what is used."""
    for whole, one, other in zip(capacity, used, size, strict=True):
        if other and (whole - one) // other < most:
            most = (whole - one) // other
    return max(0, most)


def _sizes(amount: Amount) -> Vector:
    return (amount.devices, amount.memory_bytes, amount.cpu_millis)
