"""What a kubelet shows registries when it pulls images."""

from __future__ import annotations

from llmgen.config.tables.kubernetes import Kubernetes
from llmgen.targets.kubernetes.names import Object


def of_pod(table: Kubernetes) -> Object:
    """The Secrets that llm.toml names for it; nothing where it names none."""
    named = [{"name": name} for name in table.image_pull_secrets]
    return {"imagePullSecrets": named} if named else {}
