"""What the whole namespace has once: itself, and the account of its pods."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.targets.kubernetes.names import (
    ACCOUNT,
    COMMON,
    MANAGED_BY,
    MANAGER,
    NAMESPACE,
    PART_OF,
    Object,
    meta,
)
from llmgen.targets.kubernetes.scene import ClusterScene


def objects(scene: ClusterScene) -> Iterator[tuple[str, Object]]:
    """The namespace, with Pod Security `restricted`, and an account that may do nothing."""
    table = scene.table
    enforced = {
        f"pod-security.kubernetes.io/{mode}{more}": value
        for mode in ("enforce", "audit", "warn")
        for more, value in (("", "restricted"), ("-version", f"v{table.version}"))
    }
    marks = {MANAGED_BY: MANAGER, PART_OF: MANAGER}
    yield (
        NAMESPACE,
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": table.namespace, "labels": {**marks, **enforced}},
        },
    )
    yield (
        COMMON,
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": meta(ACCOUNT, ACCOUNT, "account", table.namespace),
            "automountServiceAccountToken": False,
        },
    )
