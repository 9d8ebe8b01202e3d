"""What [kubernetes.scale] says wrongly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmgen.config.config import Config
from llmgen.config.tables.kubernetes import Kubernetes
from llmgen.errors import Diagnostic

# Keys that belong to one way of counting requests.
_OF_WAYS: Final = {"prometheus": "prometheus", "namespace": "http-add-on"}


def findings(config: Config, table: Kubernetes) -> Iterator[Diagnostic]:
    """KEDA counts requests somewhere, and starts no more pods than are planned."""
    at, scale = ("kubernetes", "scale"), table.scale
    counted = _by_envoy if scale.by == "prometheus" else _by_interceptor
    yield from counted(config, table)
    for key, way in _OF_WAYS.items():
        if key in scale.model_fields_set and scale.by != way:
            yield Diagnostic(
                "kubernetes.scale-other-way",
                f'`{key}` is about `by = "{way}"`, and requests are counted by "{scale.by}"',
                (*at, key),
                hint=f'`by = "{way}"`, or no `{key}`',
            )
    if table.style != "plain":
        yield Diagnostic(
            "kubernetes.scale-style",
            f'[kubernetes.scale] is about Deployments, and `style = "{table.style}"` has none',
            ("kubernetes", "style"),
            hint='`style = "plain"`, or no [kubernetes.scale]',
        )
    tables = (config.models, *(pool.models for pool in table.pools.values()))
    planned = max((item.hosts for models in tables for item in models.values()), default=1)
    if scale.max is None and scale.min > planned:
        yield Diagnostic(
            "kubernetes.scale-min",
            f"no model has {scale.min} pods planned, {planned} at most",
            (*at, "min"),
            hint=f"`hosts = {scale.min}` for the model: then the nodes are proved to hold them",
        )
    if scale.max is None:
        return
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


def _by_envoy(config: Config, table: Kubernetes) -> Iterator[Diagnostic]:
    """KEDA reads what Envoy counts."""
    key = ("kubernetes", "scale", "enable")
    if not config.gateway.envoy.enable:
        yield Diagnostic(
            "kubernetes.scale-without-envoy",
            "[kubernetes.scale] follows the requests that Envoy counts, and there is no Envoy",
            key,
            hint="`[gateway.envoy] enable = true`",
        )
    if not table.monitoring.enable:
        yield Diagnostic(
            "kubernetes.scale-without-monitoring",
            "[kubernetes.scale] reads Envoy's series, and nothing lets Prometheus ask Envoy",
            key,
            hint="`[kubernetes.monitoring] enable = true`",
        )


def _by_interceptor(config: Config, table: Kubernetes) -> Iterator[Diagnostic]:
    """Whoever leads to a model leads to the interceptor, and tells it the model by a `Host`."""
    key = ("kubernetes", "scale", "by")
    envoy = config.gateway.envoy.enable
    if table.gateway == "inference-extension":
        yield Diagnostic(
            "kubernetes.scale-picked",
            "an InferencePool leads to pods themselves, past the interceptor that starts one",
            key,
            hint='`gateway = "gateway-api"` with `enable = true` in [gateway.envoy]',
        )
    elif not envoy and table.gateway != "ai-gateway":
        yield Diagnostic(
            "kubernetes.scale-without-envoy",
            "the interceptor of KEDA's HTTP add-on knows a model by the `Host` of a request, which "
            "Envoy of [gateway.envoy] and Envoy AI Gateway write",
            key,
            hint='`[gateway.envoy] enable = true`, or `gateway = "ai-gateway"` in [kubernetes]',
        )
    if config.gateway.litellm.enable:
        yield Diagnostic(
            "kubernetes.scale-litellm",
            "LiteLLM asks the models' pods itself, past the interceptor that starts one",
            key,
            hint="`[gateway.litellm] enable = false`, and Envoy for the clients",
        )
