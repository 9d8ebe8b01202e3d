"""What [kubernetes.scale] says wrongly."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.config.model import Config
from llmgen.config.tables.kubernetes import Kubernetes
from llmgen.errors import Diagnostic


def findings(config: Config, table: Kubernetes) -> Iterator[Diagnostic]:
    """KEDA reads what Envoy counts, and starts no more pods than are planned."""
    at, scale = ("kubernetes", "scale"), table.scale
    if not config.gateway.envoy.enable:
        yield Diagnostic(
            "kubernetes.scale-without-envoy",
            "[kubernetes.scale] follows the requests that Envoy counts, and there is no Envoy",
            (*at, "enable"),
            hint="`[gateway.envoy] enable = true`",
        )
    if not table.monitoring.enable:
        yield Diagnostic(
            "kubernetes.scale-without-monitoring",
            "[kubernetes.scale] reads Envoy's series, and nothing lets Prometheus ask Envoy",
            (*at, "enable"),
            hint="`[kubernetes.monitoring] enable = true`",
        )
    if table.style != "plain":
        yield Diagnostic(
            "kubernetes.scale-style",
            f'[kubernetes.scale] is about Deployments, and `style = "{table.style}"` has none',
            (*at, "enable"),
            hint='`style = "plain"`',
        )
    if scale.max is None:
        return
    planned = max((item.hosts for item in config.models.values()), default=1)
    if scale.max > planned:
        yield Diagnostic(
            "kubernetes.scale-max",
            f"no model has {scale.max} pods planned, {planned} at most",
            (*at, "max"),
            hint=f"`hosts = {scale.max}` for the model: then the nodes are proved to hold them",
        )
    if scale.min > scale.max:
        yield Diagnostic(
            "kubernetes.scale-range",
            f"at least {scale.min} and at most {scale.max} pods is no number of them",
            (*at, "min"),
            hint=f"`min = {scale.max}`",
        )
