"""A dashboard of Grafana for the series of one stack; its uid stays, so that it is updated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import Struct

from llmgen.library import Keep
from llmgen.plan.plan import Plan
from llmgen.render.header import OWNER
from llmgen.targets.prometheus.rules import POOL, most_bytes
from llmgen.targets.prometheus.scrape import host, jobs
from llmgen.targets.prometheus.sources import chosen

# Grafana takes 40 characters.
_UID: Final = 40
_WIDE, _HALF, _HIGH = 24, 12, 8
# Grafana's numbers of its own schema; older ones are raised by whoever reads them.
_SCHEMA: Final = 39
_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}


class Query(Struct, frozen=True):
    """One expression and what its lines are called."""

    expr: str
    legend: str


class Panel(Struct, frozen=True):
    """One picture; ``limit`` is drawn as a line where the plan has one."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    kind: str = "timeseries"
    limit: int = 0


def dashboard(plan: Plan) -> bytes:
    """The dashboard as JSON, to be imported or put into a provisioned folder."""
    return document(host(plan), panels(plan))


def document(name: str, found: Iterable[Panel]) -> bytes:
    """A dashboard with these panels."""
    made = {
        "uid": f"llmgen-{name}"[:_UID],
        "title": f"llmgen: {name}",
        "description": OWNER,
        "tags": ["llmgen"],
        "schemaVersion": _SCHEMA,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "source",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                }
            ]
        },
        "panels": [*_drawn(found)],
    }
    return (json.dumps(made, indent=2, ensure_ascii=False) + "\n").encode()


def panels(plan: Plan) -> list[Panel]:
    """Every panel whose series the stack has."""
    return [*_memory(plan), *served(plan), *_status(plan)]


def served(plan: Plan) -> Iterator[Panel]:
    """The panels of what servers and gateways tell themselves."""
    yield from _servers(plan)
    yield from _gateways(plan)


def _memory(plan: Plan) -> Iterator[Panel]:
    for item in plan.headroom:
        here = chosen(plan, pool=item.pool.name)
        yield Panel(
            f"{item.pool.name}: memory in use",
            "bytes",
            (
                Query(f"{POOL}{here}", "in use"),
                Query(f"llmgen_pool_planned_bytes{here}", "planned for what runs"),
                Query(f"vector({most_bytes(item)})", "the plan's fullest state, and the reserve"),
            ),
            limit=item.pool.capacity_bytes,
        )


def _servers(plan: Plan) -> Iterator[Panel]:
    here = chosen(plan)
    yield Panel(
        "answers", "none", (Query(f"up{here}", "{{job}} {{model}}{{service}}"),), "state-timeline"
    )
    if any(job.name == "llmgen-server" for job in jobs(plan)):
        yield Panel(
            "tokens per second",
            "none",
            (
                Query(f"rate(llamacpp:tokens_predicted_total{here}[5m])", "{{model}} written"),
                Query(f"rate(llamacpp:prompt_tokens_total{here}[5m])", "{{model}} read"),
            ),
        )
        yield Panel(
            "requests of always-on servers",
            "none",
            (
                Query(f"llamacpp:requests_processing{here}", "{{model}} in a slot"),
                Query(f"llamacpp:requests_deferred{here}", "{{model}} waits"),
            ),
        )


def _gateways(plan: Plan) -> Iterator[Panel]:
    envoy, litellm = plan.library.config.gateway.envoy, plan.library.config.gateway.litellm
    here = chosen(plan)
    if envoy.enable:
        cluster = here[:-1] + ',envoy_cluster_name!="admin"}'
        by = "sum by (envoy_cluster_name, envoy_response_code)"
        yield Panel(
            "requests by model and answer",
            "reqps",
            (
                Query(
                    f"{by} (rate(envoy_cluster_upstream_rq{cluster}[5m]))",
                    "{{envoy_cluster_name}} {{envoy_response_code}}",
                ),
            ),
        )
        buckets = f"rate(envoy_cluster_upstream_rq_time_bucket{cluster}[5m])"
        yield Panel(
            "time of a whole answer",
            "ms",
            tuple(
                Query(
                    f"histogram_quantile({share}, sum by (le, envoy_cluster_name) ({buckets}))",
                    f"{{{{envoy_cluster_name}}}} {name}",
                )
                for share, name in ((0.5, "half"), (0.95, "95 %"))
            ),
        )
        yield Panel(
            "in the queue, and refused",
            "none",
            (
                Query(
                    f"envoy_cluster_upstream_rq_pending_active{cluster}",
                    "{{envoy_cluster_name}} waits",
                ),
                Query(
                    f"increase(envoy_cluster_upstream_rq_pending_overflow{cluster}[5m])",
                    "{{envoy_cluster_name}} refused in 5 minutes",
                ),
            ),
        )
    if litellm.enable and litellm.prometheus:
        made = f"rate(litellm_proxy_total_requests_metric_total{here}[5m])"
        failed = f"rate(litellm_proxy_failed_requests_metric_total{here}[5m])"
        yield Panel(
            "LiteLLM's requests",
            "reqps",
            (
                Query(f"sum by (requested_model) ({made})", "{{requested_model}}"),
                Query(f"sum by (requested_model) ({failed})", "{{requested_model}} failed"),
            ),
        )


def _status(plan: Plan) -> Iterator[Panel]:
    """What `llmgen status --prometheus` writes."""
    here = chosen(plan)
    if any(item.keep is Keep.ON_DEMAND for item in plan.placements):
        loaded = (Query(f"llmgen_model_loaded{here}", "{{model}}"),)
        yield Panel("loaded models", "none", loaded, "state-timeline")
    yield Panel(
        "memory of models above their plan",
        "bytes",
        (
            Query(
                f"llmgen_model_memory_bytes{here} - llmgen_model_memory_planned_bytes{here}",
                "{{model}} on {{memory}}",
            ),
        ),
    )
    yield Panel(
        "differences, and what guard unloaded",
        "none",
        (
            Query(f"llmgen_differences{here}", "{{code}}"),
            Query(f"increase(llmgen_guard_unloads_total{here}[1h])", "unloaded in an hour"),
        ),
    )


def _drawn(found: Iterable[Panel]) -> Iterator[dict[str, Any]]:
    for at, panel in enumerate(found):
        yield {
            "id": at + 1,
            "title": panel.title,
            "type": panel.kind,
            "datasource": _SOURCE,
            "gridPos": {
                "h": _HIGH,
                "w": _HALF,
                "x": at % (_WIDE // _HALF) * _HALF,
                "y": at // (_WIDE // _HALF) * _HIGH,
            },
            "fieldConfig": {"defaults": _field(panel), "overrides": []},
            "targets": [
                {
                    "refId": chr(ord("A") + index),
                    "datasource": _SOURCE,
                    "expr": query.expr,
                    "legendFormat": query.legend,
                }
                for index, query in enumerate(panel.queries)
            ],
        }


def _field(panel: Panel) -> dict[str, Any]:
    found: dict[str, Any] = {"unit": panel.unit, "min": 0 if panel.kind == "timeseries" else None}
    if panel.limit:
        steps = [{"color": "green", "value": None}, {"color": "red", "value": panel.limit}]
        found["thresholds"] = {"mode": "absolute", "steps": steps}
        found["custom"] = {"thresholdsStyle": {"mode": "line"}}
    return {key: value for key, value in found.items() if value is not None}
