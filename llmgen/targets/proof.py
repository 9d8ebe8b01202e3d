"""plan.json: what the plan promises, for `llmgen status` and for other programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from llmgen.artifacts import Artifact, Render
from llmgen.plan.plan import Plan
from llmgen.plan.proof import proof
from llmgen.targets.containers.shares import HostShare, beside, shares

NAME = "proof"
SUMMARY = "plan.json: pools, footprints and every worst state, in bytes"


def in_use(plan: Plan) -> bool:
    """Always: for people and for other programs."""
    del plan
    return True


def artifacts(plan: Plan, render: Render) -> Iterable[Artifact]:
    """One document when there is any model; JSON has no comments, the ledger knows its owner."""
    del render
    if not plan.placements:
        return
    yield Artifact(
        path=PurePosixPath("plan.json"),
        content=proof(plan, dict(_containers(plan))),
        target=NAME,
        install=plan.library.layout.config / "plan.json",
    )


def _containers(plan: Plan) -> Iterator[tuple[str, object]]:
    """What containers change in the plan; nothing where there are none."""
    if found := shares(plan):
        yield "containers", {item.name: _share(item) for item in found}
        yield "containers_beside_bytes", beside(found)


def _share(item: HostShare) -> dict[str, int]:
    return {
        "limit_bytes": item.limit,
        "swap_bytes": item.swap,
        "tmpfs_bytes": item.tmpfs,
        "shm_bytes": item.shm,
        "page_cache_bytes": item.files,
    }
