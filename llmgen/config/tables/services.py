"""[services], [plan], [budget], [guard]: who runs the models, and within which limits."""

from typing import Annotated, Final, Literal

from pydantic import Field

from llmgen.config.tables.base import (
    Address,
    Count,
    DeviceName,
    FileName,
    LogLevel,
    ModelName,
    Origin,
    Port,
    ReasonText,
    Seconds,
    Secret,
    Size,
    Sleep,
    Table,
)


class SwapService(Table):
    """[services.llama_swap]: llama-swap, when it serves the on-demand models."""

    listen: Address = "127.0.0.1"
    """Address; another than loopback needs `api_keys`, or a gateway in front."""
    port: Port = 8080
    """Port of llama-swap itself."""
    start_port: Port = 10001
    """First port of the servers that it starts."""
    always: bool = False
    """It runs even where no model is loaded on demand: one address for the always-on servers, and
    for the models of other servers."""
    api_keys: tuple[Secret, ...] = ()
    """Keys that clients need."""
    log_level: LogLevel = "info"
    """Log level."""
    log_to_stdout: Literal["proxy", "upstream", "both", "none"] = "proxy"
    """What goes to the log."""
    send_loading_state: bool = False
    """Tell streaming clients that a model is loading."""
    include_aliases_in_list: bool = True
    """Aliases stand in its list of models, too."""
    health_check_timeout: Seconds | None = None
    """Longest load; absent: from file size and disk bandwidth."""
    unload_timeout: Seconds = 10
    """Grace of an unload."""
    metrics_max_in_memory: Count = Field(default=1000, ge=0)
    """Activity rows kept."""
    capture_buffer: Count = Field(default=0, ge=0)
    """MB of requests and answers kept for its page; 0 keeps none."""
    watch_config: bool = False
    """Reload when the file changes: stops every model; `llmgen install` reloads safely instead."""


class RouterService(Table):
    """[services.router]: llama-server's router mode, when it serves the on-demand models."""

    listen: Address = "127.0.0.1"
    """Address; another than loopback needs `api_keys`, or a gateway in front."""
    port: Port = 8080
    """Port of the router."""
    models_max: Annotated[Count, Field(ge=1)] | Literal["auto"] = "auto"
    """Most models at a time; `"auto"`: as many as always fit."""
    api_keys: tuple[Secret, ...] = ()
    """Keys that clients need (the first is the router's)."""
    sleep_idle_seconds: Sleep | None = None
    """Idle seconds after which a model's weights are released."""


class Services(Table):
    """[services]: what runs as a service, and who loads on-demand models."""

    on_demand: Literal["llama_swap", "router", "none"] = "llama_swap"
    """Who loads models on demand."""
    runtime: Literal["native", "compose", "quadlet"] = "native"
    """What the services are: programs of the machine, containers of one compose file, or
    containers that systemd starts (podman's quadlets)."""
    scope: Literal["user", "system"] = "user"
    """Units of a user or of the system."""
    user: FileName = "llm"
    """User of system units."""
    users: Literal["one", "each"] = "one"
    """`"each"`: every system unit has a user of its own (`llm-envoy`, `llm-swap`).

    Its state, keys and caches are no other one's to read; the group of all is `group`, or `user`.
    """
    group: FileName | None = None
    """Group of system units; absent: the user's own name."""
    groups: tuple[FileName, ...] = ("render", "video")
    """Supplementary groups that open the GPU."""
    operators: FileName | None = None
    """Group whose members start, stop and restart the system units without root (a polkit rule)."""
    peers: tuple[Address, ...] = ()
    """Addresses of other hosts with llmgen: `llmgen firewall` lets in them alone where clients of
    other machines come in (Envoy, else LiteLLM, else llama-swap or the router); none: everybody."""
    start_port: Port = 9001
    """First port of always-on servers."""
    memory_max: bool = True
    """Units carry MemoryMax= from the plan."""
    stop_timeout: Seconds = 30
    """Longest stop of a server."""
    api_key: Secret | None = None
    """Key of every llama-server (`LLAMA_API_KEY`); seldom needed on loopback."""
    cors_origin: Origin | Literal["localhost"] | None = None
    """The web page that may call llama-server and the router (`http://localhost:3000`), or
    `localhost`: every page of this machine. Absent: every page; several: [gateway.envoy].
    """
    log_level: LogLevel | None = None
    """How much llama-server and the router say; absent: `info`, as they do by themselves."""
    llama_swap: SwapService = SwapService.model_construct()
    """llama-swap's own settings."""
    router: RouterService = RouterService.model_construct()
    """Router mode's own settings."""


# Keys of [plan] that are sets of models' names.
SETS: Final = ("together", "wish_together", "never_together")


class PlanTable(Table):
    """[plan]: wishes about what is in memory together, and in which order things give way."""

    together: tuple[tuple[ModelName, ...], ...] = ()
    """Sets of models that must fit together."""
    wish_together: tuple[tuple[ModelName, ...], ...] = ()
    """Sets that may be loaded together where they fit; `check` names the sum that forbids one."""
    never_together: tuple[tuple[ModelName, ...], ...] = ()
    """Sets of models of which no two may ever be loaded together."""
    prefer: tuple[
        Literal["n_gpu_layers", "n_cpu_moe", "cache_type", "ctx_size", "device", "tensor_split"],
        ...,
    ] = ("device", "tensor_split", "cache_type", "n_cpu_moe", "n_gpu_layers", "ctx_size")
    """Order in which open values are settled."""
    engine: Literal["matrix", "groups", "auto"] = "auto"
    """How llama-swap is told what fits together."""


class Budget(Table):
    """[budget]: how strict the plan is."""

    override: ReasonText | None = None
    """Why an overfull plan is generated all the same; stays visible in `show`."""
    margin: bool = True
    """Add the measured error of the estimate as a margin."""
    reserve: dict[DeviceName, Size] = Field(default_factory=dict)
    """More memory that other programs hold, for each device: `{ gpu0 = "2GiB" }`; or `CUDA0`."""


class Guard(Table):
    """[guard]: unload idle models under memory pressure, as a last resort."""

    enable: bool = False
    """Generate the timer."""
    threshold: Annotated[Count, Field(ge=1, le=100)] = 90
    """Per cent of memory in use from which models are unloaded."""
    min_idle: Seconds = 60
    """Least idle time of a model that may be unloaded."""
    interval: Annotated[Seconds, Field(ge=5)] = 30
    """Time between two checks."""
    gate: bool = False
    """Refuse to start a model while others hold its memory (ExecCondition=)."""
