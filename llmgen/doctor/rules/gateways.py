"""Gateways: web pages that may call them get the header that says so."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.doctor.findings import Finding, judged, unknown
from llmgen.doctor.observations import Seen
from llmgen.plan.plan import Plan


def cors(plan: Plan, seen: Seen) -> Iterator[Finding]:
    """A preflight from each allowed origin is answered with that origin."""
    envoy = plan.library.config.gateway.envoy
    if not envoy.enable:
        return
    for origin in envoy.cors_origins:
        expected = f"`access-control-allow-origin: {origin}`"
        if origin not in seen.cors:
            yield unknown("cors", origin, expected, "Envoy did not answer")
            continue
        answer = seen.cors[origin]
        yield judged(
            "cors",
            origin,
            expected,
            answer or "no such header",
            ok=answer in (origin, "*"),
            fix="`llmgen install` (the running routes are older than llm.toml)",
        )
