"""[gateway.envoy], [gateway.litellm], [external.NAME]: what clients talk to."""

from typing import Annotated, Any, Literal

from pydantic import Field

from llmgen.config.tables.base import (
    Address,
    Count,
    FileName,
    LogLevel,
    ModelName,
    Origin,
    Port,
    Seconds,
    Secret,
    Size,
    Table,
    Text,
    Url,
)
from llmgen.config.tables.spares import ServerKind, ShownCertificate, Spare
from llmgen.config.tables.wake import Wake
from llmgen.engines.roles import Role

CachedCall = Literal["completion", "embedding", "rerank"]


class ApiKey(Table):
    """A named client key, by reference."""

    name: FileName
    """Who has it; appears in logs and limits."""
    secret: Secret
    """Where it is."""


class Tls(Table):
    """A certificate for the listener, as files on the machine."""

    cert: Text
    """Certificate chain (PEM)."""
    key: Text
    """Private key (PEM)."""
    client_ca: Text | None = None
    """Authority of the clients' certificates (PEM): who shows none of it is not talked to."""


class Envoy(Table):
    """[gateway.envoy]: Envoy in front of everything."""

    enable: bool = True
    """Budgeted, installed and started."""
    listen: Annotated[tuple[Address, ...], Field(min_length=1)] = ("127.0.0.1",)
    """Addresses; others than loopback need `api_keys`."""
    port: Port = 4001
    """Port for clients."""
    admin_port: Port = 9901
    """Envoy's admin page, always on loopback; it only shows."""
    metrics_port: Port | None = None
    """Prometheus metrics alone, on loopback."""
    api_keys: tuple[ApiKey, ...] = ()
    """Client keys; none: no authentication, loopback only."""
    requests_per_minute: Count = Field(default=0, ge=0)
    """Limit for each key; 0 is none."""
    cors_origins: tuple[Origin, ...] = ()
    """Web pages that may call it."""
    tls: Tls | None = None
    """Serve HTTPS."""
    stream_idle_timeout: Seconds = 3600
    """Longest silence within one request (prefill, model load)."""
    queue: Count = Field(default=16, ge=0)
    """Requests that wait for a slot of a model; more get 429."""
    max_body: Size | None = None
    """Largest request; absent: from the longest context."""
    access_log: Text | None = None
    """Access log (JSON); absent: standard output."""
    log_level: LogLevel | None = None
    """How much Envoy says beside the access log; absent: `info`, as it does by itself."""
    workers: Count = Field(default=1, ge=1)
    """Worker threads; 1 keeps slots and queue exact."""


class LiteLLMCache(Table):
    """[gateway.litellm.cache]: answers given again to the same request, kept in its memory.

    Other stores (Redis, disk) are `litellm_settings.cache_params` of `[gateway.litellm] extra`.
    """

    ttl: Seconds = 600
    """How long one is given again."""
    calls: Annotated[tuple[CachedCall, ...], Field(min_length=1)] = ("completion", "embedding")
    """Which requests: chats and completions, embeddings, reranks."""


class LiteLLM(Table):
    """[gateway.litellm]: LiteLLM's proxy as another front."""

    enable: bool = False
    """Budgeted, installed and started."""
    listen: Address = "127.0.0.1"
    """Address; another than loopback needs `master_key`."""
    port: Port = 4000
    """Port for clients."""
    master_key: Secret | None = None
    """The proxy's key; environment variable or file."""
    workers: Count = Field(default=1, ge=1)
    """Worker processes (about 400 MB each)."""
    request_timeout: Seconds = 3600
    """Longest request."""
    log_level: LogLevel | None = None
    """How much LiteLLM says (`LITELLM_LOG`); absent: what it does by itself."""
    cache: LiteLLMCache | None = None
    """Answers that are kept and given again to the same request; absent: none."""
    prometheus: bool = False
    """Metrics (needs prometheus_client beside litellm)."""
    memory: Size = 700 * 2**20
    """Host memory that a worker may take, for the plan."""
    max_budget: float | None = Field(default=None, gt=0)
    """Spending limit in the proxy's currency (declared external models)."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """More of its config.yaml by section (`{ router_settings = { num_retries = 3 } }`); rows of
    `model_list` are added as they are."""


class Gateway(Table):
    """[gateway.*]: every front is rendered, the enabled ones are installed."""

    envoy: Envoy = Envoy.model_construct(enable=False)
    """Envoy."""
    litellm: LiteLLM = LiteLLM.model_construct()
    """LiteLLM."""


class External(Table):
    """[external.NAME]: a model that another server has, routed by the gateways."""

    endpoint: Url
    """`http://HOST:PORT` of an OpenAI-compatible server."""
    role: Role = "chat"
    """What it does."""
    aliases: tuple[ModelName, ...] = ()
    """Other names for it."""
    knows_aliases: bool = False
    """The server is a gateway that knows all of its names: each is handed over as the client wrote
    it, and the gateway is told that another one asks (`x-llmgen-hop`)."""
    server: ServerKind | None = None
    """What it is, where its paths are its own: llama-swap has some below `/upstream/MODEL`."""
    default: bool = False
    """Answers requests of its role that name no model, where no model here does."""
    upstream_model: Text | None = None
    """The name that it insists on."""
    api_key: Secret | None = None
    """Its key."""
    wake: Wake | None = None
    """Its machine sleeps: a request for it wakes the machine, and waits (llama-swap)."""
    ca: Text | None = None
    """Authority of its certificate (PEM); absent: those of the system (Envoy)."""
    client_tls: ShownCertificate | None = None
    """The certificate that it is shown (Envoy)."""
    failover: tuple[Spare, ...] = ()
    """More servers with it, asked in turn when those before do not answer (Envoy, LiteLLM)."""
    ctx_size: Count | None = Field(default=None, ge=1)
    """Its context, for clients."""
    slots: Count = Field(default=4, ge=1)
    """Requests that it serves at a time."""
    fallbacks: tuple[ModelName, ...] = ()
    """Models that a gateway tries when this one fails (LiteLLM)."""
    context_window_fallbacks: tuple[ModelName, ...] = ()
    """Models that a gateway tries when the prompt is too long (LiteLLM)."""
    litellm: dict[str, Any] = Field(default_factory=dict)
    """More `litellm_params` of its row, and `model_info` (`{ rpm = 60 }`)."""
    llama_swap: dict[str, Any] = Field(default_factory=dict)
    """More keys of its peer in llama-swap's config.yaml (`{ timeouts = { connect = 5 } }`)."""
