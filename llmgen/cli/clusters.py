"""[kubernetes]: the cluster of llm.toml, planned and rendered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llmgen.errors import LlmgenError

if TYPE_CHECKING:
    from llmgen.artifacts import Tree
    from llmgen.cli.boundary import Session
    from llmgen.cli.pipeline import Read
    from llmgen.cluster.model import Cluster


def cluster_of(found: Read) -> Cluster:
    """Every pod planned; errors with their places in llm.toml."""
    from llmgen.cli.pipeline import read_lock
    from llmgen.cli.waiting import waiting
    from llmgen.cluster.build import cluster
    from llmgen.config.load import merged

    try:
        with waiting(f"planning {len(found.config.models)} models"):
            made: Cluster = cluster(found.config, merged(found.sources), read_lock(found))
    except LlmgenError as error:
        raise found.located(error) from None
    return made


def tree_of(found: Read, cluster: Cluster, session: Session) -> Tree:
    """The objects of the cluster as files."""
    from llmgen.artifacts import Tree
    from llmgen.render.environment import make_render
    from llmgen.targets.kubernetes.files import artifacts

    render = make_render([Path(session.templates)] if session.templates else [])
    try:
        return Tree(artifacts(cluster, render))
    except LlmgenError as error:
        raise found.located(error) from None
