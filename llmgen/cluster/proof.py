"""What is proved of a pool of nodes: who has room, who may not, and in which words."""

from __future__ import annotations

from msgspec import Struct

from llmgen.cluster.steps import Certainty


class Fit(Struct, frozen=True):
    """Whether so many nodes hold all pods.

    ``possible``: if they are placed well. ``certain``: in whatever order they come, and wherever
    kube-scheduler puts them. ``waiting`` has controllers and how many of their pods wait at best
    (or fewer, where ``fewest`` is false), ``may_wait`` those of which a pod may wait for good.
    """

    nodes: int
    possible: Certainty
    certain: Certainty
    waiting: tuple[tuple[str, int], ...] = ()
    fewest: bool = True
    may_wait: tuple[str, ...] = ()
    reason: str = ""
    hint: str = ""


class Rollout(Struct, frozen=True):
    """Whether an update of the controllers comes to its end when all pods have a node before.

    ``preempts`` has controllers of lower priority whose pods may be stopped for it.
    """

    pods: tuple[str, ...]
    possible: Certainty
    certain: Certainty
    preempts: tuple[str, ...] = ()
    reason: str = ""
    hint: str = ""


class Proof(Struct, frozen=True):
    """A pool with all nodes, with one less, and while updates are rolled out.

    There are no rollouts where the nodes do not hold all pods.
    """

    pool: str
    all_nodes: Fit
    one_lost: Fit
    rollouts: tuple[Rollout, ...] = ()
    all_at_once: Rollout | None = None

    @property
    def refused(self) -> tuple[str, ...]:
        """Reasons why this cannot be: pods without a node, and updates that never end."""
        if self.all_nodes.possible == "no":
            return (self.all_nodes.reason,)
        return tuple(one.reason for one in self.rollouts if one.possible == "no")
