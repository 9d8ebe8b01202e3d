"""What doctor sees of a cluster."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class NodeSeen(Struct, frozen=True):
    """A node: what pods may have of it, and what keeps them away."""

    name: str
    labels: Mapping[str, str]
    allocatable: Mapping[str, str]
    taints: tuple[tuple[str, str, str], ...] = ()
    is_ready: bool = True
    is_cordoned: bool = False


class ClusterSeen(Struct, frozen=True):
    """Everything that was asked of a cluster. None was not found out; ``why`` says why not.

    ``reached`` is what is wrong with reaching it. ``kinds`` has the kinds of each group and
    version, None for one that the server does not have; ``groups``, all that there are; ``classes``
    the storage classes, and which is the default; ``claims`` and ``secrets`` have None for one that
    is not there, else a claim's phase and the names of a Secret's entries; ``others``, whether what
    belongs to the whole cluster is there.
    """

    context: str = ""
    reached: str = ""
    server: str | None = None
    groups: tuple[str, ...] | None = None
    kinds: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    classes: Mapping[str, bool] | None = None
    claims: Mapping[str, str | None] = field(default_factory=dict)
    secrets: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    others: Mapping[str, bool] = field(default_factory=dict)
    nodes: tuple[NodeSeen, ...] | None = None
    why: Mapping[str, str] = field(default_factory=dict)

    def reason(self, subject: str) -> str:
        """Why something was not found out."""
        return self.why.get(subject) or self.reached or "nobody was asked"
