"""The one listener: addresses, limits, keys, what is logged and counted."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from llmgen.gateway.addresses import listens
from llmgen.gateway.listing import body_limit
from llmgen.gateway.routes import RouteTable
from llmgen.gateway.secrets import placeholder
from llmgen.layout import expand
from llmgen.plan.plan import Plan
from llmgen.targets.accounts import state_folder
from llmgen.targets.envoy.clusters import authority, clusters
from llmgen.targets.envoy.errors import OTHER, ErrorBody, Reply, replies

# Where token counts stand in the `usage` of an answer (OpenAI, Anthropic, Responses), at any depth.
_USAGE: Final = {
    "prompt_tokens": "prompt_tokens",
    "completion_tokens": "completion_tokens",
    "cached_tokens": "cached_tokens",
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "cache_read_input_tokens": "cached_tokens",
}
# What is logged of llama-server's `timings`.
_TIMINGS: Final = (
    "prompt_per_second",
    "predicted_per_second",
    "prompt_n",
    "predicted_n",
    "prompt_ms",
    "predicted_ms",
    "cache_n",
)
# What Prometheus gets a counter of; a stream may tell one without the other.
_COUNTED: Final = ("prompt_tokens", "completion_tokens")
_LOGGED: Final = (
    ("time", "%START_TIME%"),
    ("id", "%REQ(X-REQUEST-ID)%"),
    ("client", "%REQ(X-LLM-CLIENT)%"),
    ("address", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ_WITHOUT_QUERY(:PATH)%"),
    ("route", "%ROUTE_NAME%"),
    # All that the scripts found, as one object: each command of a format costs.
    ("llm", "%DYNAMIC_METADATA(llm)%"),
    ("backend", "%UPSTREAM_CLUSTER%"),
    ("upstream", "%UPSTREAM_HOST%"),
    ("status", "%RESPONSE_CODE%"),
    ("flags", "%RESPONSE_FLAGS%"),
    ("details", "%RESPONSE_CODE_DETAILS%"),
    ("attempts", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
    ("received_bytes", "%BYTES_RECEIVED%"),
    ("sent_bytes", "%BYTES_SENT%"),
    ("duration_ms", "%DURATION%"),
    ("first_byte_ms", "%RESPONSE_DURATION%"),
)
# What browsers' SDKs send (openai-node, anthropic-sdk-typescript).
ALLOWED_HEADERS: Final = (
    "authorization, content-type, x-api-key, x-request-id, "
    "anthropic-version, anthropic-beta, anthropic-dangerous-direct-browser-access, "
    "openai-beta, openai-organization, openai-project, "
    "x-stainless-arch, x-stainless-lang, x-stainless-os, x-stainless-package-version, "
    "x-stainless-runtime, x-stainless-runtime-version, x-stainless-retry-count, "
    "x-stainless-timeout, x-stainless-helper-method"
)


class Client(Struct, frozen=True):
    """A named client; ``key`` is a placeholder."""

    name: str
    key: str


class EnvoyListener(Struct, frozen=True):
    """Everything that the listener's template lays out."""

    addresses: tuple[str, ...]
    port: int
    body_limit: int
    idle: str
    tls: bool
    clients: tuple[Client, ...]
    requests_per_minute: int
    limited_by: str
    origin: str
    checked: tuple[str, ...]
    access_log: str
    replies: tuple[Reply, ...]
    other_error: ErrorBody = OTHER
    allowed_headers: str = ALLOWED_HEADERS
    log_fields: tuple[tuple[str, str], ...] = ()
    usage: str = ""
    timings: str = ""
    stat_tags: tuple[dict[str, str], ...] = ()
    counted: tuple[dict[str, str], ...] = ()
    name: str = "llm"
    socket: str = ""
    client_ca: str = ""
    hops: bool = False

    @property
    def guarded(self) -> bool:
        """Whether requests are checked before they are routed."""
        return bool(self.clients or self.requests_per_minute)


def listener(plan: Plan, table: RouteTable) -> EnvoyListener:
    """The listener of a plan."""
    envoy = plan.library.config.gateway.envoy
    limit = body_limit(table.backends, envoy.max_body)
    found = clusters(plan, table.backends)
    return EnvoyListener(
        addresses=tuple(
            dict.fromkeys(listens(plan.library, _numeric(item)) for item in envoy.listen)
        ),
        port=envoy.port,
        body_limit=limit,
        idle=f"{envoy.stream_idle_timeout}s",
        tls=envoy.tls is not None,
        clients=tuple(
            Client(key.name, placeholder(f"client.{key.name}")) for key in envoy.api_keys
        ),
        requests_per_minute=envoy.requests_per_minute,
        limited_by="client" if envoy.api_keys else "remote_address",
        origin=_origin(envoy.cors_origins),
        checked=tuple(item.name for item in found if item.health),
        access_log=_access_log(plan),
        replies=replies(limit),
        log_fields=_LOGGED,
        usage=_table(_USAGE),
        timings=_table({key: key for key in _TIMINGS}),
        client_ca=_client_ca(plan),
        hops=bool(plan.library.config.services.peers)
        or any(item.failover for item in table.backends),
        stat_tags=(
            {"name": "model", "value_format": "%ROUTE_NAME%"},
            {"name": "client", "value_format": "%REQ(X-LLM-CLIENT)%"},
        ),
        counted=tuple({"key": key, "value": f"%DYNAMIC_METADATA(llm:{key})%"} for key in _COUNTED),
    )


def inside(listener: EnvoyListener, path: str) -> EnvoyListener:
    """The same for what comes back by its own socket: judged and logged when it came first."""
    return replace(
        listener,
        name="own",
        socket=path,
        hops=True,
        tls=False,
        clients=(),
        requests_per_minute=0,
        origin="",
        checked=(),
    )


def _numeric(address: str) -> str:
    text = address.strip("[]")
    return "127.0.0.1" if text == "localhost" else text


def _client_ca(plan: Plan) -> str:
    tls = plan.library.config.gateway.envoy.tls
    return authority(tls.client_ca or "", plan.library.layout, "") if tls else ""


def _access_log(plan: Plan) -> str:
    told = plan.library.config.gateway.envoy.access_log
    if told is None:
        return ""
    layout = plan.library.layout
    state = state_folder(plan.library.config.services, layout, "envoy")
    return str(state / expand(told, layout.home, ("gateway", "envoy", "access_log")))


def _table(names: dict[str, str]) -> str:
    """As the script's list: each key without its first quote, then its name; all plain words."""
    return "{" + ", ".join(f"'{key}\"', '{name}'" for key, name in names.items()) + "}"


def _origin(origins: tuple[str, ...]) -> str:
    """What the whole origin of a page that may call looks like; empty when none may."""
    return ".+" if "*" in origins else "|".join(map(re.escape, origins))
