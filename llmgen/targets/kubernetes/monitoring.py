"""Objects of the Prometheus operator, and a dashboard where Grafana's sidecar finds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmgen.plan.plan import Plan
from llmgen.targets.kubernetes import scale
from llmgen.targets.kubernetes.names import (
    APP,
    MANAGER,
    MONITORING,
    PART_OF,
    Object,
    meta,
)
from llmgen.targets.kubernetes.resources import memory_bytes
from llmgen.targets.kubernetes.scene import App, ClusterScene
from llmgen.targets.kubernetes.scrape_jobs import ScrapeJob, told, watched
from llmgen.targets.kubernetes.styles import kserve
from llmgen.targets.prometheus.dashboard import Panel, Query, document, served
from llmgen.targets.prometheus.rules import PrometheusRule, RuleGroup, alert, servers
from llmgen.targets.prometheus.sources import text
from llmgen.units import show_size

# What Grafana's sidecar looks for (kiwigrid/k8s-sidecar, grafana's chart).
_DASHBOARD: Final = {"grafana_dashboard": "1"}
# Share of its limit from which a pod's own memory is more than the plan has room for.
_FULL: Final = 0.95
_NAME: Final = "__meta_kubernetes_pod_label_app_kubernetes_io_name"
_NAMESPACE: Final = "__meta_kubernetes_namespace"


def objects(scene: ClusterScene) -> Iterator[tuple[str, Object]]:
    """PodMonitors, a PrometheusRule and a ConfigMap; nothing unless it is wanted."""
    if not scene.table.monitoring.enable or not scene.apps:
        return
    plan = watched(scene)
    yield from ((MONITORING, item) for item in _monitors(scene))
    yield MONITORING, _rules(scene, plan)
    yield MONITORING, _dashboard(scene, plan)


def _monitors(scene: ClusterScene) -> Iterator[Object]:
    """One for each way to ask; pods of LLMInferenceServices wear other labels than the rest."""
    found: dict[tuple[ScrapeJob, bool], list[str]] = {}
    for app in scene.apps:
        for item in told(app):
            found.setdefault((item, app.form == "llm"), []).append(app.name)
    for (item, of_kserve), names in found.items():
        yield {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PodMonitor",
            "metadata": _meta(scene, f"{item.job}-kserve" if of_kserve else item.job),
            "spec": {
                "selector": {
                    "matchLabels": kserve.OF_LLM if of_kserve else {PART_OF: MANAGER},
                    "matchExpressions": [{"key": APP, "operator": "In", "values": sorted(names)}],
                },
                "podMetricsEndpoints": [_endpoint(scene, item)],
            },
        }


def _endpoint(scene: ClusterScene, item: ScrapeJob) -> Object:
    found: Object = {
        "port": item.port,
        "path": item.path,
        "scheme": "http",
        "interval": f"{scene.cluster.config.targets.prometheus.interval}s",
        "relabelings": [
            {"action": "replace", "targetLabel": "job", "replacement": item.job},
            {"action": "replace", "sourceLabels": [_NAMESPACE], "targetLabel": "host"},
            {"action": "replace", "sourceLabels": [_NAME], "targetLabel": item.label},
        ],
    }
    if item.entry:
        key = {"name": scene.table.secret, "key": item.entry}
        found["authorization"] = {"type": "Bearer", "credentials": key}
    return found


def _rules(scene: ClusterScene, plan: Plan) -> Object:
    found = [_pods(scene, plan), servers(plan, scale.resting(scene))]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": _meta(scene, MANAGER),
        "spec": {
            "groups": [
                {"name": item.name, "rules": [rule.fields for rule in item.rules]} for item in found
            ]
        },
    }


def _pods(scene: ClusterScene, plan: Plan) -> RuleGroup:
    """What kubelet and kube-state-metrics say of the pods; silent without them."""
    name = f"llmgen-{scene.table.namespace}-pods"
    here = f"namespace={text(scene.table.namespace)}"
    full = (_full(app, plan, here) for app in scene.apps)
    waits = alert(
        plan,
        "LlmgenPodWaits",
        f'max by (namespace, pod) (kube_pod_status_phase{{{here},phase="Pending"}}) == 1',
        900,
        "`{{ $labels.pod }}` has no node, or does not start on it",
        "`kubectl describe pod` says which; `llmgen show` what the nodes were proved to hold",
        "critical",
    )
    return RuleGroup(name, "", (*full, waits))


def _full(app: App, plan: Plan, here: str) -> PrometheusRule:
    most = int(_FULL * memory_bytes(app.unit, app.container))
    own = f"{here},{_container(app)}"
    return alert(
        plan,
        "LlmgenPodAbovePlan",
        f"max by (namespace, pod) (container_memory_rss{{{own}}}) > {most}",
        300,
        f"`{{{{ $labels.pod }}}}` has more than {show_size(most)} of its own, nearly its limit",
        "`llmgen show` says what it was planned to take; `llmgen measure` records what it takes",
        "critical",
        app=app.name,
    )


def _container(app: App) -> str:
    """The container as kubelet's series have it; KServe's name is one for all, its pods' is not."""
    if (name := kserve.container(app)) is None:
        return f"container={text(app.name)}"
    return f"container={text(name)},pod=~{text(f'{kserve.controller(app)}-.+')}"


def _dashboard(scene: ClusterScene, plan: Plan) -> Object:
    here = f"namespace={text(scene.table.namespace)}"
    pods = f'max by (pod) (container_memory_rss{{{here},container!="",container!="POD"}})'
    panels = (
        Panel("memory of pods", "bytes", (Query(pods, "{{pod}}"),)),
        *served(plan),
    )
    made = _meta(scene, f"{MANAGER}-dashboard")
    content = document(scene.table.namespace, panels)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**made, "labels": {**made["labels"], **_DASHBOARD}},
        "data": {f"llmgen-{scene.table.namespace}.json": content.decode()},
    }


def _meta(scene: ClusterScene, name: str) -> Object:
    found = meta(name, name, "monitoring", scene.table.namespace)
    return {**found, "labels": {**scene.table.monitoring.labels, **found["labels"]}}
