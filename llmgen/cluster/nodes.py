"""What nodes have and what pods request of them."""

from __future__ import annotations

from msgspec import Struct

# The kubelet takes no more pods by default (`maxPods`).
MOST_PODS = 110


class Amount(Struct, frozen=True):
    """What a node has for pods, or what a pod requests."""

    devices: int = 0
    memory_bytes: int = 0
    cpu_millis: int = 0


class Pod(Struct, frozen=True):
    """A controller's pods, all alike; ``surge`` of them come first when it rolls an update out.

    Without a surge (``maxSurge = 0, maxUnavailable = 1``, or a StatefulSet) an old one goes first.
    """

    name: str
    request: Amount
    copies: int = 1
    surge: int = 0
    priority: int = 0


class Nodes(Struct, frozen=True):
    """A pool of nodes that are alike; ``allocatable`` is what others' pods leave of a node."""

    name: str
    count: int
    allocatable: Amount
    most_pods: int = MOST_PODS
