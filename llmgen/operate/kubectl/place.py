"""Which cluster, and which namespace of it: always by name."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from msgspec import Struct

from llmgen.config.tables.kubernetes import Kubernetes
from llmgen.errors import Diagnostic, KeyPath


class ClusterPlace(Struct, frozen=True):
    """A context of kubectl's configuration, and the namespace of the stack.

    ``key`` is where llm.toml says so.
    """

    context: str
    namespace: str
    key: KeyPath = ()

    def __str__(self) -> str:
        """As people are told."""
        return f"`{self.namespace}` of `{self.context}`"

    @property
    def words(self) -> tuple[str, ...]:
        """How kubectl is told of it."""
        return (f"--context={self.context}", f"--namespace={self.namespace}")


def place_of(
    table: Kubernetes, context: str | None, environment: str | None
) -> ClusterPlace | None:
    """What the command line says, else llm.toml; None where nobody does."""
    own = table.environments[environment] if environment is not None else None
    namespace = (own.namespace if own else None) or table.namespace
    if context:
        return ClusterPlace(context, namespace)
    told = (own.context if own else None) or table.context
    if told is None:
        return None
    if own is not None and own.context:
        return ClusterPlace(
            told, namespace, ("kubernetes", "environments", str(environment), "context")
        )
    return ClusterPlace(told, namespace, ("kubernetes", "context"))


def untold(known: Sequence[str]) -> Diagnostic:
    """The mistake where nobody names a context."""
    return Diagnostic(
        "kubernetes.which-context",
        "nobody says which cluster: llm.toml names no `context`, and the current one of kubectl "
        "is never taken",
        ("kubernetes",),
        hint=f"`--context NAME`, or `context` in [kubernetes]; kubectl knows {_some(known)}"
        if known
        else "`kubectl config get-contexts` knows none: $KUBECONFIG names its file",
    )


def unknown(place: ClusterPlace, known: Sequence[str]) -> Diagnostic:
    """The mistake where kubectl does not know the context."""
    near = get_close_matches(place.context, known, 1)
    hint = f"did you mean `{near[0]}`? " if near else ""
    return Diagnostic(
        "kubernetes.no-context",
        f"kubectl knows no context `{place.context}`",
        place.key,
        hint=f"{hint}it knows {_some(known)}"
        if known
        else "it knows none: $KUBECONFIG names its file",
    )


def _some(known: Sequence[str]) -> str:
    return ", ".join(known[:20]) + (" …" if len(known) > 20 else "")
