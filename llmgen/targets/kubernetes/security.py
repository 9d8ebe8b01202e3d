"""What Pod Security `restricted` asks of pods and containers, and a root that is read only."""

from __future__ import annotations

from typing import Final

from llmgen.targets.kubernetes.names import Object

OF_CONTAINERS: Final[Object] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


def of_pod(user: str) -> Object:
    """What is said once for all containers; ``user`` is `UID:GID`."""
    number, _, group = user.partition(":")
    return {
        "fsGroup": int(group),
        "runAsGroup": int(group),
        "runAsNonRoot": True,
        "runAsUser": int(number),
        "seccompProfile": {"type": "RuntimeDefault"},
    }
