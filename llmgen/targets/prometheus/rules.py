"""Alert rules from the plan: its limits are the numbers in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct, field

from llmgen.library import Keep
from llmgen.plan.plan import Headroom, Plan
from llmgen.targets.prometheus.scrape import host
from llmgen.targets.prometheus.sources import chosen, text, used
from llmgen.units import show_size

# The series that a pool's recording rule makes.
POOL: Final = "llmgen:pool_used_bytes"
# Share of half an hour that goes into loading models from which it is called a storm.
_STORM_SHARE, _WINDOW_SECONDS = 0.25, 1800


class PrometheusRule(Struct, frozen=True):
    """One rule, as Prometheus writes it: ``alert`` or ``record`` is its name."""

    expr: str
    alert: str = ""
    record: str = ""
    seconds: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, Any]:
        """What it says, in the usual order."""
        found = {
            "record": self.record,
            "alert": self.alert,
            "expr": self.expr,
            "for": f"{self.seconds}s" if self.seconds else "",
            "labels": self.labels,
            "annotations": self.annotations,
        }
        return {key: value for key, value in found.items() if value}


class RuleGroup(Struct, frozen=True):
    """Rules that are read together; ``why`` says what they need."""

    name: str
    why: str
    rules: tuple[PrometheusRule, ...]


def groups(plan: Plan) -> list[RuleGroup]:
    """Every group that has rules."""
    name = f"llmgen-{host(plan)}"
    found = [
        RuleGroup(f"{name}-memory", "Memory against the plan, by the first source there is.",
              tuple(_memory(plan))),
        servers(plan),
        RuleGroup(f"{name}-status", "By what `llmgen status --prometheus` writes for "
              "node_exporter's collector `textfile`; silent without it.", tuple(_status(plan))),
    ]  # fmt: skip
    return [group for group in found if group.rules]


def servers(plan: Plan, resting: Sequence[str] = ()) -> RuleGroup:
    """The rules of what servers and gateways tell themselves.

    ``resting`` are clusters of Envoy that may have no server, and nobody is woken up for it.
    """
    name = f"llmgen-{host(plan)}-servers"
    return RuleGroup(
        name, "What the servers and gateways tell themselves.", tuple(_servers(plan, resting))
    )


def _memory(plan: Plan) -> Iterator[PrometheusRule]:
    for item in plan.headroom:
        labels = {"host": host(plan), "pool": item.pool.name}
        yield PrometheusRule(used(plan, item.pool), record=POOL, labels=labels)
    for item in plan.headroom:
        most = most_bytes(item)
        yield alert(
            plan,
            "LlmgenPoolAbovePlan",
            f"{POOL}{chosen(plan, pool=item.pool.name)} > {most}",
            300,
            f"more of `{item.pool.name}` is in use than the plan's fullest state and the reserve: "
            f"{show_size(most)}",
            "`llmgen status` shows which model holds more than planned, or that others do",
            "critical",
            pool=item.pool.name,
        )


def most_bytes(item: Headroom) -> int:
    """What a pool holds at most while all keep to the plan: its fullest state and the reserve."""
    return item.peak_bytes + item.pool.reserve_bytes


def _servers(plan: Plan, resting: Sequence[str]) -> Iterator[PrometheusRule]:
    here, config = chosen(plan), plan.library.config
    yield alert(
        plan,
        "LlmgenServerDown",
        f'up{{host={_quoted(plan)},job=~"llmgen-(server|engine|swap|envoy|litellm)"}} == 0',
        60,
        "`{{ $labels.instance }}` ({{ $labels.job }}) does not answer",
        "`llmgen status` says why, `llmgen logs` what it said last",
        "critical",
    )
    if any(item.model.is_llama and item.model.options.metrics for item in plan.placements):
        yield alert(
            plan,
            "LlmgenRequestsWait",
            f"llamacpp:requests_deferred{here} > 0",
            300,
            "requests wait for a slot of `{{ $labels.model }}`",
            "more slots (`parallel`), a shorter context for each, or `replicas`",
        )
    envoy = config.gateway.envoy
    if not envoy.enable:
        return
    yield alert(
        plan,
        "LlmgenBackendDown",
        f"envoy_cluster_membership_healthy{_clusters(plan, resting)} == 0",
        60,
        "Envoy finds no healthy server of `{{ $labels.envoy_cluster_name }}`",
        "`llmgen status` says why",
        "critical",
    )
    yield alert(
        plan,
        "LlmgenRefused",
        f"increase(envoy_cluster_upstream_rq_pending_overflow{_clusters(plan)}[5m]) > 0",
        0,
        "requests to `{{ $labels.envoy_cluster_name }}` were refused with 429: its queue was full",
        "`queue` in [gateway.envoy], more slots (`parallel`), or `replicas`",
    )
    if envoy.queue:
        most = -(-envoy.queue // 2)
        yield alert(
            plan,
            "LlmgenQueueLong",
            f"envoy_cluster_upstream_rq_pending_active{_clusters(plan)} >= {most}",
            120,
            f"at least {most} of {envoy.queue} places in the queue of "
            "`{{ $labels.envoy_cluster_name }}` are taken",
            "more slots (`parallel`), or `replicas`",
        )
    if envoy.requests_per_minute:
        yield alert(
            plan,
            "LlmgenRateLimited",
            f"increase(envoy_http_local_rate_limit_rate_limited{here}[5m]) > 0",
            0,
            f"a client asks more than {envoy.requests_per_minute} times a minute",
            "`requests_per_minute` in [gateway.envoy]; the access log names the key",
            "info",
        )


def _status(plan: Plan) -> Iterator[PrometheusRule]:
    here, config = chosen(plan), plan.library.config
    yield alert(
        plan,
        "LlmgenServiceDown",
        f"llmgen_service_up{here} == 0",
        120,
        "`{{ $labels.service }}` does not answer",
        "`llmgen status` says why, `llmgen logs` what it said last",
        "critical",
    )
    yield alert(
        plan,
        "LlmgenDrift",
        f"llmgen_differences{here} > 0",
        600,
        "{{ $value }} times `{{ $labels.code }}`: wanted, written and running differ",
        "`llmgen status` lists them; `llmgen install` brings them together",
    )
    yield alert(
        plan,
        "LlmgenModelAbovePlan",
        f"llmgen_model_memory_bytes{here} > llmgen_model_memory_planned_bytes{here}",
        300,
        "`{{ $labels.model }}` holds {{ $value | humanize1024 }}B of {{ $labels.memory }}: more "
        "than planned",
        "`llmgen measure` records it, so that the plan counts with it",
    )
    if config.guard.enable:
        yield alert(
            plan,
            "LlmgenGuardActed",
            f"increase(llmgen_guard_unloads_total{here}[1h]) > 0",
            0,
            "memory ran short, and guard unloaded models",
            "`llmgen guard --dry-run` and `llmgen doctor` say what holds more than planned",
        )
    if sum(item.keep is Keep.ON_DEMAND for item in plan.placements) > 1:
        limit = int(_STORM_SHARE * _WINDOW_SECONDS)
        # Loaded and unloaded again are two changes; what happens between two looks is not seen.
        yield alert(
            plan,
            "LlmgenSwapStorm",
            f"sum by (host) (changes(llmgen_model_loaded{here}[30m]) / 2 * "
            f"llmgen_model_load_seconds{here}) > {limit}",
            0,
            "in half an hour models were loaded for {{ $value | humanizeDuration }}",
            "`llmgen show` lists which sets fit together; `wish_together` and `pin` in llm.toml",
        )
    if config.targets.prometheus.textfiles is not None:
        yield alert(
            plan,
            "LlmgenNotLookedAt",
            f"time() - max(llmgen_status_timestamp_seconds{here}) > 900 or "
            f"absent(llmgen_status_timestamp_seconds{here})",
            300,
            "nobody wrote `llmgen status --prometheus` for a quarter of an hour",
            "`systemctl status llmgen-metrics.timer`; node_exporter has to read `textfiles`",
        )


def alert(  # noqa: PLR0917 - the fields of an alert
    plan: Plan,
    name: str,
    expr: str,
    seconds: int,
    summary: str,
    remedy: str,
    severity: str = "warning",
    **labels: str,
) -> PrometheusRule:
    """An alert of the stack: what is so, for how long, what is said, and what helps."""
    return PrometheusRule(
        expr,
        alert=name,
        seconds=seconds,
        labels={"severity": severity, "host": host(plan), **labels},
        annotations={"summary": summary, "description": remedy},
    )


def _quoted(plan: Plan) -> str:
    return chosen(plan)[len("{host=") : -1]


def _clusters(plan: Plan, besides: Sequence[str] = ()) -> str:
    """Envoy's clusters of models; its own admin page is one as well."""
    found = f'host={_quoted(plan)},envoy_cluster_name!="admin"'
    if besides:
        found += f",envoy_cluster_name!~{text('|'.join(map(re.escape, besides)))}"
    return f"{{{found}}}"
