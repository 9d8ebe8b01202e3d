"""Policies of Envoy Gateway: who is let in, how often, and how servers are asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmgen.cluster.fronts import clients
from llmgen.targets.kubernetes.gateways.front import NAME, Front, parent
from llmgen.targets.kubernetes.names import Object

# The client that a key belongs to, as our own Envoy says it, too.
CLIENT: Final = "x-llm-client"
_VERSION: Final = "gateway.envoyproxy.io/v1alpha1"
# What pages may send, and what they are told about it.
_HEADERS: Final = ("authorization", "content-type", "x-api-key", "anthropic-version")


def policies(front: Front) -> Iterator[Object]:
    """Of the Gateway as a whole."""
    envoy = front.config.gateway.envoy
    access: Object = {"targetRefs": [parent()]}
    if envoy.api_keys:
        named = {"group": "", "kind": "Secret", "name": clients(front.table)}
        access["apiKeyAuth"] = {
            "credentialRefs": [named],
            "extractFrom": [{"headers": ["Authorization", "x-api-key"]}],
            "forwardClientIDHeader": CLIENT,
            "sanitize": True,
        }
    if envoy.cors_origins:
        access["cors"] = {
            "allowOrigins": [*envoy.cors_origins],
            "allowMethods": ["GET", "POST", "OPTIONS"],
            "allowHeaders": [*_HEADERS],
            "maxAge": "24h",
        }
    if len(access) > 1:
        yield _policy(front, "SecurityPolicy", access)
    yield _policy(front, "BackendTrafficPolicy", _traffic(front))


def _policy(front: Front, kind: str, spec: Object) -> Object:
    return {"apiVersion": _VERSION, "kind": kind, "metadata": front.meta(NAME), "spec": spec}


def _traffic(front: Front) -> Object:
    """llama-server ends idle connections after 5 s; while it loads it answers 503."""
    spec: Object = {
        "targetRefs": [parent()],
        "timeout": {"http": {"connectionIdleTimeout": "4s"}},
        "retry": {
            "numRetries": 12,
            "perRetry": {"backOff": {"baseInterval": "500ms", "maxInterval": "5s"}},
            "retryOn": {
                "httpStatusCodes": [503],
                "triggers": ["connect-failure", "refused-stream", "retriable-status-codes"],
            },
        },
    }
    if rules := [*_limits(front)]:
        spec["rateLimit"] = {"type": "Global", "global": {"rules": rules}}
    return spec


def _limits(front: Front) -> Iterator[Object]:
    """What each client may ask for in a minute, through all routes together."""
    requests, tokens = front.config.gateway.envoy.requests_per_minute, front.table.tokens_per_minute
    for whom in _clients(front):
        if requests:
            yield _limit(whom, requests)
        if tokens:
            used = {"namespace": "io.envoy.ai_gateway", "key": "llm_total_token"}
            # Who has tokens left may ask; the answer's are taken off when it has ended.
            cost = {
                "request": {"from": "Number", "number": 0},
                "response": {"from": "Metadata", "metadata": used},
            }
            yield {**_limit(whom, tokens), "cost": cost}


def _clients(front: Front) -> Iterator[Object]:
    """Each by its key; where nobody has one, by address."""
    if front.config.gateway.envoy.api_keys:
        yield {"headers": [{"name": CLIENT, "type": "Distinct", "invert": False}]}
        return
    for network in ("0.0.0.0/0", "::/0"):
        yield {"sourceCIDR": {"type": "Distinct", "value": network}}


def _limit(whom: Object, number: int) -> Object:
    return {
        "clientSelectors": [whom],
        "limit": {"requests": number, "unit": "Minute"},
        "shared": True,
    }
