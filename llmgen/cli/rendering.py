"""Every file that llm.toml asks for: of its machine, of each host in a folder, or of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmgen.cli.hosts import chosen
from llmgen.cli.pipeline import plan, tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmgen.artifacts import Tree
    from llmgen.cli.boundary import Session
    from llmgen.cli.pipeline import Read
    from llmgen.errors import Diagnostic


def rendered(
    found: Read, session: Session, targets: Sequence[str]
) -> tuple[Tree, tuple[Diagnostic, ...], tuple[str, ...]]:
    """The files, what is doubtful, and whose files alone are looked at (none: everybody's)."""
    if found.config.kubernetes is not None:
        from llmgen.cli import clusters
        from llmgen.cli.on_cluster import refuse_of_machines

        refuse_of_machines(("targets",))
        cluster = clusters.cluster_of(found, session)
        return *clusters.tree_of(found, cluster, session), ()
    hosts = chosen(found, session)
    if not hosts:
        placed = plan(found)
        return tree(found, placed, session, targets), found.placed(placed.notes), tuple(targets)
    from llmgen.cli.hosts import fleet_of, notes, owned, tree_of
    from llmgen.fleet.bundle import NAME
    from llmgen.targets import TARGETS

    fleet = fleet_of(found)
    whole = not targets and not session.hosts
    looked_at = () if whole else (targets or (*TARGETS, NAME))
    owners = tuple(owned(host, target) for host in hosts for target in looked_at)
    files = tree_of(found, fleet, session, hosts, targets)
    return files, notes(found, fleet, hosts), owners
