"""Which cluster, and which namespace of it: always by name."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from msgspec import Struct

from llmgen.config.tables.kubernetes import Kubernetes
from llmgen.errors import Diagnostic


class Place(Struct, frozen=True):
    """A context of kubectl's configuration, and the namespace of the stack."""

    context: str
    namespace: str
    is_told_by_table: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """How kubectl is told of it."""
        return (f"--context={self.context}", f"--namespace={self.namespace}")


def place_of(table: Kubernetes, context: str | None) -> Place | None:
    """What the command line says, else llm.toml; None where nobody does."""
    # For an empty one kubectl would take the current one.
    if context:
        return Place(context, table.namespace)
    if not table.context or context is not None:
        return None
    return Place(table.context, table.namespace, is_told_by_table=True)


def untold(known: Sequence[str]) -> Diagnostic:
    """The mistake where nobody names a context."""
    some = ", ".join(known[:20]) + (" …" if len(known) > 20 else "")
    return Diagnostic(
        "kubernetes.which-context",
        "nobody says which cluster: llm.toml names no `context`, and the current one of kubectl "
        "is never taken",
        ("kubernetes",),
        hint=f"`--context NAME`, or `context` in [kubernetes]; kubectl knows {some}"
        if known
        else "`kubectl config get-contexts` knows none: $KUBECONFIG names its file",
    )


def unknown(place: Place, known: Sequence[str]) -> Diagnostic:
    """The mistake where kubectl does not know the context."""
    near = get_close_matches(place.context, known, 1)
    some = ", ".join(known[:20]) + (" …" if len(known) > 20 else "")
    hint = f"did you mean `{near[0]}`? " if near else ""
    return Diagnostic(
        "kubernetes.no-context",
        f"kubectl knows no context `{place.context}`",
        ("kubernetes", "context") if place.is_told_by_table else (),
        hint=f"{hint}it knows {some}" if known else "it knows none: $KUBECONFIG names its file",
    )
