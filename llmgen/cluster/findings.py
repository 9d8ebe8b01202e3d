"""What [kubernetes] says wrongly, as far as no facts of models are needed."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from llmgen.cluster import fronts, groups, scaling
from llmgen.cluster.document import pools
from llmgen.config.config import Config
from llmgen.config.tables.kubernetes import Kubernetes
from llmgen.errors import Diagnostic, KeyPath

# The first API server that takes everything but claims of devices (pkg/features/kube_features.go):
# a pause before a pod ends (PodLifecycleSleepAction) 1.30, one pod of a Job at a time
# (JobPodReplacementPolicy) 1.29, who is evicted (PDBUnhealthyPodEvictionPolicy) 1.27.
_LEAST: Final = (1, 30)
# resource.k8s.io/v1.
_CLAIMS: Final = (1, 34)
# Whose domain it is, no device plugin may use; `requests.` is before a resource in a quota
# (IsExtendedResourceName in pkg/apis/core/v1/helper/helpers.go, which the API server asks).
_RESERVED: Final = "kubernetes.io/"
_OF_QUOTAS: Final = "requests."
# Keys about the Gateway, which `gateway = "none"` has not.
_OF_GATEWAYS: Final = {
    "gateway_certificate": '`[kubernetes.tls] secret = "NAME"` is the certificate of Envoy\'s own '
    'listener; `gateway = "gateway-api"` makes a Gateway',
    **dict.fromkeys(
        ("gateway_hostname", "gateway_class", "gateway_namespace"),
        '`gateway = "gateway-api"` makes a Gateway; else leave it out',
    ),
}
# Keys about the claim that llmgen makes.
_OF_CLAIMS: Final = ("size", "storage_class", "access_mode")


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
    yield from _version(table)
    yield from _two_ways(table)
    yield from _reserved(table)
    yield from _storage(table)
    yield from _of_gateways(table)
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


def _version(table: Kubernetes) -> Iterator[Diagnostic]:
    """What is written wants an API server that knows it."""
    version = tuple(map(int, table.version.split(".")))
    if version < _LEAST:
        yield Diagnostic(
            "kubernetes.version",
            f"an API server {table.version} does not take what is written for a cluster",
            ("kubernetes", "version"),
            hint='a cluster of Kubernetes 1.30 or later: `version = "1.30"`',
        )
    if version >= _CLAIMS:
        return
    for name, pool in table.pools.items():
        if pool.device_class is not None:
            yield Diagnostic(
                "kubernetes.no-claims",
                f"devices by claims came with 1.34, and the API server is {table.version}",
                ("kubernetes", "pools", name, "device_class"),
                hint="a device plugin: `gpu_resource`, or the vendor's usual name without it",
            )


def _two_ways(table: Kubernetes) -> Iterator[Diagnostic]:
    """A device is counted by a plugin or claimed by DRA, and the nodes have one of the two."""
    for name, pool in table.pools.items():
        if pool.device_class is not None and pool.gpu_resource is not None:
            yield Diagnostic(
                "kubernetes.two-ways",
                f"`{name}` has its devices of a device plugin (`gpu_resource`) and by claims "
                "(`device_class`)",
                ("kubernetes", "pools", name, "gpu_resource"),
                hint="leave one of them out",
            )


def _reserved(table: Kubernetes) -> Iterator[Diagnostic]:
    """A pod that asks for a resource which is Kubernetes' own, and no device, is refused."""
    for name, pool in table.pools.items():
        told = pool.gpu_resource or ""
        if _RESERVED in told or told.startswith(_OF_QUOTAS):
            yield Diagnostic(
                "kubernetes.resource",
                f"`{told}` is a name that Kubernetes keeps for itself, and no device plugin's",
                ("kubernetes", "pools", name, "gpu_resource"),
                hint="`kubectl describe node` shows what the plugin offers, like `nvidia.com/gpu`; "
                "absent: the vendor's usual name",
            )


def _storage(table: Kubernetes) -> Iterator[Diagnostic]:
    """A claim that is there is as it is."""
    for key in _OF_CLAIMS:
        if table.storage.claim is not None and key in table.storage.model_fields_set:
            yield Diagnostic(
                "kubernetes.claim-there",
                f"`{key}` is about the claim that llmgen makes, and `{table.storage.claim}` is "
                "there already",
                ("kubernetes", "storage", key),
                hint=f"leave out `{key}`, or `claim`",
            )


def _of_gateways(table: Kubernetes) -> Iterator[Diagnostic]:
    for key, hint in _OF_GATEWAYS.items():
        if table.gateway == "none" and key in table.model_fields_set:
            yield Diagnostic(
                "kubernetes.no-gateway",
                f'`{key}` is about a Gateway, and with `gateway = "none"` there is none',
                ("kubernetes", key),
                hint=hint,
            )
    if table.gateway != "inference-extension" and "picker_image" in table.model_fields_set:
        yield Diagnostic(
            "kubernetes.no-picker",
            "`picker_image` is about pickers of InferencePools, and there is no InferencePool",
            ("kubernetes", "picker_image"),
            hint='`gateway = "inference-extension"`, or no `picker_image`',
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
