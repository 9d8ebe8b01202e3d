"""Objects of the API: what they are called, whose they are, and what of them a server wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from llmgen.targets.kubernetes.names import COMPONENT, MANAGED_BY, MANAGER, PART_OF, Object

# Objects with these labels are the stack's, and no others.
OURS: Final = {MANAGED_BY: MANAGER, PART_OF: MANAGER}
SELECTOR: Final = ",".join(f"{key}={value}" for key, value in OURS.items())
# The component that records what was applied.
GENERATION: Final = "generation"
# Every namespaced kind that llmgen may write, by (group, kind), as the server calls it: what is no
# longer wanted of these goes.
KINDS: Final[Mapping[tuple[str, str], str]] = {
    ("", "ConfigMap"): "configmaps",
    ("", "PersistentVolumeClaim"): "persistentvolumeclaims",
    ("", "Service"): "services",
    ("", "ServiceAccount"): "serviceaccounts",
    ("apps", "Deployment"): "deployments",
    ("apps", "StatefulSet"): "statefulsets",
    ("batch", "Job"): "jobs",
    ("policy", "PodDisruptionBudget"): "poddisruptionbudgets",
    ("networking.k8s.io", "NetworkPolicy"): "networkpolicies",
    ("resource.k8s.io", "ResourceClaimTemplate"): "resourceclaimtemplates",
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): "leaderworkersets",
    ("serving.kserve.io", "InferenceService"): "inferenceservices",
    ("serving.kserve.io", "LLMInferenceService"): "llminferenceservices",
    ("serving.kserve.io", "ServingRuntime"): "servingruntimes",
    ("gateway.networking.k8s.io", "Gateway"): "gateways",
    ("gateway.networking.k8s.io", "HTTPRoute"): "httproutes",
    ("gateway.networking.k8s.io", "ReferenceGrant"): "referencegrants",
    ("gateway.networking.k8s.io", "BackendTLSPolicy"): "backendtlspolicies",
    ("gateway.envoyproxy.io", "Backend"): "backends",
    ("gateway.envoyproxy.io", "BackendTrafficPolicy"): "backendtrafficpolicies",
    ("gateway.envoyproxy.io", "ClientTrafficPolicy"): "clienttrafficpolicies",
    ("gateway.envoyproxy.io", "EnvoyExtensionPolicy"): "envoyextensionpolicies",
    ("gateway.envoyproxy.io", "EnvoyProxy"): "envoyproxies",
    ("gateway.envoyproxy.io", "SecurityPolicy"): "securitypolicies",
    ("aigateway.envoyproxy.io", "AIGatewayRoute"): "aigatewayroutes",
    ("aigateway.envoyproxy.io", "AIServiceBackend"): "aiservicebackends",
    ("aigateway.envoyproxy.io", "BackendSecurityPolicy"): "backendsecuritypolicies",
    ("aigateway.envoyproxy.io", "GatewayConfig"): "gatewayconfigs",
    ("aigateway.envoyproxy.io", "QuotaPolicy"): "quotapolicies",
    ("inference.networking.k8s.io", "InferencePool"): "inferencepools",
    ("inference.networking.x-k8s.io", "InferenceObjective"): "inferenceobjectives",
    ("keda.sh", "ScaledObject"): "scaledobjects",
    ("keda.sh", "TriggerAuthentication"): "triggerauthentications",
    ("http.keda.sh", "HTTPScaledObject"): "httpscaledobjects",
    ("monitoring.coreos.com", "PodMonitor"): "podmonitors",
    ("monitoring.coreos.com", "ServiceMonitor"): "servicemonitors",
    ("monitoring.coreos.com", "PrometheusRule"): "prometheusrules",
    ("external-secrets.io", "ExternalSecret"): "externalsecrets",
    ("rbac.authorization.k8s.io", "Role"): "roles",
    ("rbac.authorization.k8s.io", "RoleBinding"): "rolebindings",
}
CLAIM: Final = ("", "PersistentVolumeClaim")
CONFIG_MAP: Final = ("", "ConfigMap")
# Who writes what of an object's metadata is the server, and its status are others.
_SERVERS: Final = frozenset(
    {"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"}
)


class Thing(Struct, frozen=True, order=True):
    """What an object is called: its kind, its name, and its namespace where it is in one."""

    group: str
    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        """As people are told."""
        return f"{self.kind}/{self.name}"

    @property
    def type(self) -> tuple[str, str]:
        """Group and kind."""
        return self.group, self.kind


def is_object(item: object) -> bool:
    """Whether a value has what every object has."""
    return (
        isinstance(item, dict)
        and isinstance(item.get("apiVersion"), str)
        and isinstance(item.get("kind"), str)
        and isinstance(item.get("metadata"), dict)
        and isinstance(item["metadata"].get("name"), str)
    )


def thing(item: Mapping[str, Any]) -> Thing:
    """What an object is called."""
    group = item["apiVersion"].rpartition("/")[0]
    meta = item["metadata"]
    return Thing(group, item["kind"], meta["name"], str(meta.get("namespace", "")))


def by_thing(items: Iterable[Object]) -> dict[Thing, Object]:
    """The objects by what they are called, in order."""
    return {thing(item): item for item in items}


def labels(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Its labels."""
    return part(item["metadata"], "labels")


def part(item: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What stands under a key, where that is a mapping; else nothing."""
    found = item.get(key)
    return found if isinstance(found, dict) else {}


def rows(found: object) -> list[Mapping[str, Any]]:
    """The mappings of a list; none where it is no list."""
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def is_ours(item: Mapping[str, Any]) -> bool:
    """Whether llmgen wrote it: not what a controller made of what llmgen wrote."""
    told = labels(item)
    made_of = item["metadata"].get("ownerReferences")
    return all(told.get(key) == value for key, value in OURS.items()) and not made_of


def is_generation(item: Mapping[str, Any]) -> bool:
    """Whether it is a record of what was applied."""
    return labels(item).get(COMPONENT) == GENERATION


def bare(item: Mapping[str, Any]) -> Object:
    """The object without what the server and controllers tell of it."""
    found = {key: value for key, value in item.items() if key != "status"}
    meta = {key: value for key, value in item["metadata"].items() if key not in _SERVERS}
    return {**found, "metadata": meta}


def reference(item: Mapping[str, Any]) -> Object:
    """As much of an object as names it."""
    meta = {key: item["metadata"][key] for key in ("name", "namespace") if key in item["metadata"]}
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": meta}


def as_list(items: Iterable[Object]) -> Object:
    """The objects as one, as kubectl reads them."""
    return {"apiVersion": "v1", "kind": "List", "items": [*items]}
