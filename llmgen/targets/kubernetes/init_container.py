"""A container before a pod's own that looks after files, with the shell of the same image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llmgen.targets.kubernetes.names import Object
from llmgen.targets.kubernetes.security import OF_CONTAINERS

_SMALL: Final[Object] = {
    "limits": {"memory": "64Mi"},
    "requests": {"cpu": "10m", "memory": "64Mi"},
}


def init_container(
    name: str,
    image: str,
    command: Sequence[str],
    mounts: Sequence[Object],
    args: Sequence[str] = (),
) -> Object:
    """The container; it may do as little as the pod's own."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [*command],
        **({"args": [*args]} if args else {}),
        "resources": _SMALL,
        "securityContext": OF_CONTAINERS,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [*mounts],
    }
