"""[kubernetes]: the cluster of llm.toml, planned and rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmgen.errors import LlmgenError

if TYPE_CHECKING:
    from llmgen.artifacts import Tree
    from llmgen.cli.boundary import Session
    from llmgen.cli.pipeline import Read
    from llmgen.cluster.cluster import Cluster
    from llmgen.errors import Diagnostic
    from llmgen.targets.kubernetes.scene import ClusterScene


def cluster_of(found: Read, session: Session) -> Cluster:
    """Every pod planned; errors with their places in llm.toml, a usage error for a host."""
    from llmgen.cli.hosts import chosen
    from llmgen.cli.pipeline import read_lock
    from llmgen.cli.waiting import waiting
    from llmgen.cluster.build import cluster
    from llmgen.config.load import merged

    if not found.config.hosts:
        chosen(found, session)
    try:
        with waiting(f"planning {len(found.config.models)} models"):
            made: Cluster = cluster(found.config, merged(found.sources), read_lock(found))
    except LlmgenError as error:
        raise found.located(error) from None
    return made


def scene_of(found: Read, cluster: Cluster, session: Session) -> ClusterScene:
    """Every program of the cluster; errors with their places in llm.toml."""
    from llmgen.cli.pipeline import renderer
    from llmgen.targets.kubernetes.scene import scene

    render = renderer(session)
    try:
        return scene(cluster, render)
    except LlmgenError as error:
        raise found.located(error) from None


def _advised(found: Read, item: Diagnostic) -> Diagnostic:
    """Where pods have no node: one pod for all of a pool's models, if that has been seen to fit."""
    from msgspec.structs import replace

    from llmgen.cli.pipeline import read_lock
    from llmgen.cluster.build import cluster
    from llmgen.cluster.document import in_one_pod
    from llmgen.config.load import merged
    from llmgen.render.environment import make_render
    from llmgen.targets.kubernetes.demand import proofs, refusals
    from llmgen.targets.kubernetes.scene import scene

    if item.code != "kubernetes.no-room" or found.config.kubernetes is None:
        return item
    pool = str(item.key[2])
    changed = in_one_pod(found.config, merged(found.sources), pool)
    if changed is None:
        return item
    try:
        made = cluster(*changed, read_lock(found))
        if any(one.key[2] == pool for one in refusals(proofs(scene(made, make_render([]))))):
            return item
    except LlmgenError:
        return item
    return replace(
        item,
        hint=f'`layout = "stack"` in [kubernetes.pools.{pool}]: one pod with llama-swap for all '
        "of its models, which then share devices; with it they fit",
    )


def tree_of(found: Read, cluster: Cluster, session: Session) -> tuple[Tree, tuple[Diagnostic, ...]]:
    """The objects of the cluster as files, and what is doubtful; PlanError for what has no node."""
    from llmgen.artifacts import Tree
    from llmgen.targets.kubernetes.files import artifacts

    made, notes = proved(found, cluster, session)
    try:
        return Tree(artifacts(made)), notes
    except LlmgenError as error:
        raise found.located(error) from None


def proved(
    found: Read, cluster: Cluster, session: Session
) -> tuple[ClusterScene, tuple[Diagnostic, ...]]:
    """Every program of the cluster, and what is doubtful; PlanError for what has no node."""
    from llmgen.errors import PlanError
    from llmgen.targets.kubernetes import scale
    from llmgen.targets.kubernetes.demand import notes, proofs, refusals

    made = scene_of(found, cluster, session)
    told = proofs(made)
    if refused := [*refusals(told, made.table.style)]:
        raise found.located(PlanError([_advised(found, item) for item in refused]))
    return made, found.placed((*cluster.notes, *notes(told), *scale.notes(made)))
