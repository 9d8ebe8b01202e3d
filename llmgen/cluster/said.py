"""What [kubernetes] says wrongly, as far as no facts of models are needed."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from llmgen.cluster import fronts, groups, scaling
from llmgen.cluster.document import pools
from llmgen.config.model import Config
from llmgen.config.tables.kubernetes import Kubernetes
from llmgen.errors import Diagnostic, KeyPath

# resource.k8s.io/v1.
_CLAIMS: Final = (1, 34)


def findings(config: Config) -> Iterator[Diagnostic]:
    """Errors about [kubernetes] and `pool`."""
    table = config.kubernetes
    if table is None:
        return
    if config.hosts:
        yield Diagnostic(
            "kubernetes.and-hosts",
            "a file is about machines of [hosts] or about a cluster, not about both",
            ("kubernetes",),
            hint="put [kubernetes] into a file of its own and lay it over the common one: "
            "`llmgen -c llm.toml -c cluster.toml`; [hosts] into another",
        )
    yield from fronts.findings(config)
    yield from groups.findings(config)
    yield from _claims(table)
    yield from _certificate(config, table)
    if table.scale.enable:
        yield from scaling.findings(config, table)
    yield from _unknown_models(config, table)
    known = [*pools(table)]
    for name, model in config.models.items():
        if model.pool is not None and model.pool not in known:
            near = get_close_matches(model.pool, known, 1)
            yield Diagnostic(
                "kubernetes.no-pool",
                f"`{name}` wants the pool `{model.pool}`, and there is none",
                ("models", name, "pool"),
                hint=f"did you mean `{near[0]}`?" if near else f"pools are {', '.join(known)}",
            )


def _unknown_models(config: Config, table: Kubernetes) -> Iterator[Diagnostic]:
    """Keys of a model on some nodes, where no model has that name."""
    for pool, item in table.pools.items():
        for name in item.models:
            if name not in config.models:
                near = get_close_matches(name, config.models, 1)
                yield Diagnostic(
                    "kubernetes.no-model",
                    f"`{pool}` says something of the model `{name}`, and there is none",
                    ("kubernetes", "pools", pool, "models", name),
                    hint=f"did you mean `{near[0]}`?" if near else "models stand in [models.NAME]",
                )


def _claims(table: Kubernetes) -> Iterator[Diagnostic]:
    """Claims of devices are part of the API since 1.34."""
    if tuple(map(int, table.version.split("."))) >= _CLAIMS:
        return
    for name, pool in table.pools.items():
        if pool.device_class is not None:
            yield Diagnostic(
                "kubernetes.no-claims",
                f"devices by claims came with 1.34, and the API server is {table.version}",
                ("kubernetes", "pools", name, "device_class"),
                hint="a device plugin: `gpu_resource`, or the vendor's usual name without it",
            )


def _certificate(config: Config, table: Kubernetes) -> Iterator[Diagnostic]:
    """Who has a certificate is who clients talk to, and that is Envoy itself."""
    key: KeyPath = ("kubernetes", "tls")
    if table.tls is not None and table.gateway != "none":
        yield Diagnostic(
            "kubernetes.tls-behind",
            "clients come by the cluster's gateway, which speaks without TLS to Envoy behind it",
            key,
            hint='`gateway_certificate = "NAME"` in [kubernetes], a Secret of the same type',
        )
    elif table.tls is not None and not config.gateway.envoy.enable:
        yield Diagnostic(
            "kubernetes.tls-of-nobody",
            "a certificate is for Envoy's listener, and Envoy is not enabled",
            key,
            hint="`enable = true` in [gateway.envoy]",
        )
