"""What everything of the stack in a cluster is called and marked with."""

from __future__ import annotations

from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, Final, TypeAlias

from llmgen.layout import CONFIG

# An object of the API: apiVersion, kind, metadata, and what its kind has.
Object: TypeAlias = dict[str, Any]

NAME: Final = "kubernetes"
# The field manager, and the value of the label by which objects that are no longer wanted go.
MANAGER: Final = "llmgen"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
PART_OF: Final = "app.kubernetes.io/part-of"
COMPONENT: Final = "app.kubernetes.io/component"
APP: Final = "app.kubernetes.io/name"
# Which nodes a pool is, where llm.toml has no labels of its own for them.
POOL: Final = "llmgen.io/pool"
# The folder within pods with each program's configuration.
FILES: Final = PurePosixPath(CONFIG[0])
ACCOUNT: Final = "llmgen"
# What picks a pod of several (the component of its own pods).
PICKER: Final = "endpoint-picker"
# The claim with the model files, where llm.toml names none.
MODELS: Final = "models"
_LONGEST: Final = 63
# Groups of objects, one file each; by these numbers they sort as they have to be applied.
NAMESPACE, COMMON, NETWORK, STORAGE = "00-namespace", "10-common", "11-network", "20-storage"
GATEWAY = "50-gateway"
MONITORING = "60-monitoring"


def group(app: str, *, front: bool = False) -> str:
    """The group of an app's objects; those that clients talk to come after what they lead to."""
    return f"{40 if front else 30}-{app}"


def labels(app: str, component: str) -> dict[str, str]:
    """The labels of everything that belongs to an app of the stack."""
    return {**selector(app), COMPONENT: component, MANAGED_BY: MANAGER}


def selector(app: str) -> dict[str, str]:
    """The labels by which its pods are found."""
    return {APP: app, PART_OF: MANAGER}


def short(text: str, most: int = _LONGEST) -> str:
    """A name of at most so many characters; differs for names that differ."""
    if len(text) <= most:
        return text
    return f"{text[: most - 9].rstrip('-.')}-{sha256(text.encode()).hexdigest()[:8]}"


def literal(text: str) -> str:
    """A word of a container's or probe's command, or a variable's value, without a `$(NAME)` in it.

    Kubernetes fills those in; what it executes as a hook it takes as it is.
    """
    return text.replace("$(", "$$(")


def meta(name: str, app: str, component: str, namespace: str = "") -> Object:
    """The metadata of an object."""
    found: Object = {"name": name}
    if namespace:
        found["namespace"] = namespace
    return {**found, "labels": labels(app, component)}
