"""The endpoint picker of an InferencePool (the project's own): which pod a request goes to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from llmgen.targets.kubernetes import priority_class, pull_secrets
from llmgen.targets.kubernetes.gateways.endpoint_pickers import (
    CPU_MILLIS,
    MEMORY_BYTES,
    PORT,
    name_of,
)
from llmgen.targets.kubernetes.gateways.front import Front
from llmgen.targets.kubernetes.names import PICKER, Object, labels, meta, selector
from llmgen.targets.kubernetes.node_choice import selected, tolerated
from llmgen.targets.kubernetes.scene import App
from llmgen.targets.kubernetes.security import OF_CONTAINERS
from llmgen.units import MIB

_HEALTH: Final = 9003
# The user of its image (gcr.io/distroless/static:nonroot).
_USER: Final = 65532
# What it reads of the cluster, as its own chart says.
_READS: Final = (
    ("inference.networking.x-k8s.io", "inferenceobjectives"),
    ("inference.networking.k8s.io", "inferencepools"),
    ("", "pods"),
)


def picker(front: Front, app: App) -> Iterator[Object]:
    """Its account, what that may read, its Service and its one pod."""
    name, named = name_of(app), front.table.namespace
    about = meta(name, name, PICKER, named)
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about}
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": about,
        "rules": [
            {"apiGroups": [group], "resources": [kind], "verbs": ["get", "watch", "list"]}
            for group, kind in _READS
        ],
    }
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": about,
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": named}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
    }
    port = {"name": "grpc", "port": PORT, "protocol": "TCP", "targetPort": "grpc"}
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": about,
        "spec": {"type": "ClusterIP", "selector": selector(name), "ports": [port]},
    }
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": about,
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": selector(name)},
            # What it knows of prompts is in its memory: two would know half each.
            "strategy": {"type": "Recreate"},
            "template": {
                "metadata": {"labels": labels(name, PICKER)},
                "spec": _pod(front, app, name),
            },
        },
    }


def _pod(front: Front, app: App, name: str) -> Object:
    nodes = front.scene.cluster.pools[app.unit.pool]
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": front.table.longest_answer,
        "securityContext": {
            "runAsGroup": _USER,
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **selected(nodes),
        **tolerated(nodes.table.taints),
        **priority_class.of_pod(name, front.scene),
        "containers": [_container(front, app)],
        **pull_secrets.of_pod(front.table),
    }


def _container(front: Front, app: App) -> Object:
    asked = {"grpc": {"port": _HEALTH, "service": "inference-extension"}}
    memory = f"{MEMORY_BYTES // MIB}Mi"
    times = {"failureThreshold": 3, "successThreshold": 1, "timeoutSeconds": 1}
    return {
        "name": "epp",
        "image": front.table.picker_image,
        "imagePullPolicy": "IfNotPresent",
        "args": [*_words(front, app)],
        "env": [
            {
                "name": name,
                "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.{path}"}},
            }
            for name, path in (("NAMESPACE", "namespace"), ("POD_NAME", "name"))
        ],
        "ports": [
            {"name": "grpc", "containerPort": PORT, "protocol": "TCP"},
            {"name": "grpc-health", "containerPort": _HEALTH, "protocol": "TCP"},
        ],
        "resources": {
            "limits": {"memory": memory},
            "requests": {"cpu": f"{CPU_MILLIS}m", "memory": memory},
        },
        "livenessProbe": {**asked, **times, "initialDelaySeconds": 5, "periodSeconds": 10},
        "readinessProbe": {**asked, **times, "periodSeconds": 2},
        "securityContext": OF_CONTAINERS,
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }


def _words(front: Front, app: App) -> Iterator[str]:
    yield from ("--pool-name", app.name, "--pool-namespace", front.table.namespace)
    yield from ("--tracing=false", "--metrics-endpoint-auth=false", "--enable-pprof=false")
    if _is_llama(app):
        # llama-server's own names; it says nothing of how full its context is.
        yield from ("--total-queued-requests-metric", "llamacpp:requests_deferred")
        yield from ("--kv-cache-usage-percentage-metric", "")
        yield from ("--lora-info-metric", "", "--cache-info-metric", "")
    yield from ("--config-text", json.dumps(_config(app), separators=(",", ":")))


def _config(app: App) -> Object:
    """By the prompts that each pod has seen, and where pods tell of it by how many wait."""
    weights = {"prefix-cache-scorer": 3}
    if _tells(app):
        weights = {"queue-scorer": 2, **weights}
    if _tells(app) and not _is_llama(app):
        weights = {**weights, "kv-cache-utilization-scorer": 2}
    return {
        "apiVersion": "inference.networking.x-k8s.io/v1alpha1",
        "kind": "EndpointPickerConfig",
        "plugins": [{"type": name} for name in weights],
        "schedulingProfiles": [
            {
                "name": "default",
                "plugins": [
                    {"pluginRef": name, "weight": weight} for name, weight in weights.items()
                ],
            }
        ],
    }


def _is_llama(app: App) -> bool:
    return app.plan.placements[0].model.is_llama


def _tells(app: App) -> bool:
    """Whether its pods show metrics to everybody: llama-server asks for its key there, too."""
    model = app.plan.placements[0].model
    if not model.is_llama:
        return model.engine.name == "vllm"
    return bool(model.options.metrics) and app.plan.library.config.services.api_key is None
