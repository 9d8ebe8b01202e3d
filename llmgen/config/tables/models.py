"""[models.NAME], [defaults]: what is served, and how llama-server runs it."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, WithJsonSchema, model_validator

from llmgen.config.tables.base import (
    Count,
    EnvironmentName,
    FileName,
    HostPort,
    Line,
    Mebibytes,
    ModelName,
    Number,
    Override,
    Port,
    Positive,
    Seconds,
    Secret,
    Sleep,
    Table,
    Text,
    Tokens,
)
from llmgen.config.tables.sampling import Sampling
from llmgen.config.tables.spares import Spare
from llmgen.engines.container import ContainerTable
from llmgen.engines.registry import ENGINES, USUAL, EngineKeys
from llmgen.engines.roles import Role

# Roles that generate text.
GENERATES: Final[tuple[Role, ...]] = ("chat", "completion", "vision")
CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]
# Sums beyond 32 bits would be no numbers; budget.placement refuses those that are too small.
Share = Annotated[float, Field(ge=0, le=1_000_000)]
# A name that is no engine's is a matter of meaning: it gets a better answer than a list of all.
EngineName = Annotated[Text, WithJsonSchema({"type": "string", "enum": [*ENGINES]})]


class ModelSource(Table):
    """Where a file comes from: exactly one of `model`, `hf_repo`, `ollama`, `lm_studio`."""

    model: Text | None = None
    """A GGUF file below [paths] models (the first shard of a split one)."""
    hf_repo: Text | None = None
    """A repository of the Hub; without `hf_file` and `quant`: its Q4_K_M, or its only model."""
    hf_file: Text | None = None
    """A file of that repository (the first shard of a split one)."""
    quant: Text | None = None
    """Which quantisation of that repository (`Q4_K_M`)."""
    revision: Text | None = None
    """Branch, tag or commit of that repository; the lock pins the commit."""
    ollama: Text | None = None
    """A model in the local Ollama store (`qwen3:8b`)."""
    lm_studio: Text | None = None
    """A file below LM Studio's models folder."""


class Lora(Table):
    """A LoRA adapter (`--lora`, `--lora-scaled`)."""

    path: Text
    """A GGUF file below [paths] models."""
    scale: Number = 1.0
    """Its weight."""


class Draft(ModelSource):
    """[models.NAME.draft]: a draft model, or the model's own MTP head (`spec_type`)."""

    spec_type: Literal[
        "draft-simple", "draft-mtp", "draft-eagle3", "draft-dflash", "draft-dspark"
    ] = "draft-simple"
    """How drafts are made (`--spec-type`)."""
    spec_draft_n_max: Annotated[Count, Field(ge=1, le=64)] = 3
    """Tokens drafted at a time (`--spec-draft-n-max`)."""
    spec_draft_n_min: Count | None = Field(default=None, ge=0)
    """Fewest tokens worth a draft (`--spec-draft-n-min`)."""
    n_gpu_layers: Annotated[Count, Field(ge=0)] | Literal["all"] = "all"
    """Layers of the draft model on the devices (`--n-gpu-layers-draft`)."""
    cache_type_k: CacheType = "f16"
    """K cache of the draft (`--cache-type-k-draft`)."""
    cache_type_v: CacheType = "f16"
    """V cache of the draft (`--cache-type-v-draft`)."""
    device: tuple[Text, ...] | None = None
    """Devices of the draft model; absent: the main model's. Several share it as they share that."""


class Variant(Table):
    """[models.NAME.variants.OTHER]: another name with other request parameters, same process."""

    aliases: tuple[ModelName, ...] = ()
    """More names for it."""
    description: Line = ""
    """What it is for."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Request parameters that this name sets (`temperature`, `chat_template_kwargs` …)."""


class ServerOptions(Table):
    """llama-server's options, under their long names; absent means [defaults], then llmgen's."""

    ctx_size: Tokens | Literal["max"] | None = None
    """Context in tokens, all slots together (`--ctx-size`); `"max"`: the largest that fits."""
    parallel: Count | None = Field(default=None, ge=1, le=256)
    """Slots: requests served at the same time (`--parallel`)."""
    kv_unified: bool | None = None
    """Slots share one context instead of dividing it (`--kv-unified`)."""
    cache_type_k: CacheType | Annotated[tuple[CacheType, ...], Field(min_length=1)] | None = None
    """Type of the K cache (`--cache-type-k`); a list: the first that fits."""
    cache_type_v: CacheType | Annotated[tuple[CacheType, ...], Field(min_length=1)] | None = None
    """Type of the V cache (`--cache-type-v`); a list: the first that fits."""
    batch_size: Count | None = Field(default=None, ge=1)
    """Logical batch (`--batch-size`)."""
    ubatch_size: Count | None = Field(default=None, ge=1)
    """Physical batch (`--ubatch-size`); embedding and rerank need one input in it."""
    flash_attn: Literal["on", "off", "auto"] | None = None
    """Flash attention (`--flash-attn`)."""
    swa_full: bool | None = None
    """Whole context for sliding-window layers (`--swa-full`)."""
    kv_offload: bool | None = None
    """K and V with their layers; false keeps them on the host (`--no-kv-offload`)."""
    n_gpu_layers: Annotated[Count, Field(ge=0)] | Literal["all", "auto"] | None = None
    """Layers on the devices (`--n-gpu-layers`); `"auto"`: as many as fit."""
    n_cpu_moe: Annotated[Count, Field(ge=0)] | Literal["auto"] | None = None
    """Layers whose experts stay on the host (`--n-cpu-moe`); `"auto"`: as few as fit."""
    cpu_moe: bool | None = None
    """All experts stay on the host (`--cpu-moe`)."""
    override_tensor: tuple[Override, ...] | None = None
    """`PATTERN=BUFFER` pairs (`--override-tensor`); buffers are `CPU` and devices of `device`."""
    device: tuple[Text, ...] | Literal["auto"] | None = None
    """Devices that hold the model: `gpu0`, `gpu1` … in the order of [hardware], or what
    `llama-server --list-devices` calls them (`CUDA0`); `"auto"`: the planner's choice."""
    tensor_split: tuple[Share, ...] | Literal["auto"] | None = None
    """Shares of the devices, and of its draft's (`--tensor-split`); absent: layers in proportion to
    what each has for models, reserve and always-loaded models taken off, and where that does not
    fit as with `"auto"`; `"auto"`: a split that fits."""
    split_mode: Literal["none", "layer", "row"] | None = None
    """How several devices share a model (`--split-mode`)."""
    main_gpu: Count | None = Field(default=None, ge=0)
    """The device for `split_mode = "none"` (`--main-gpu`)."""
    cache_ram: Mebibytes | None = None
    """Most host memory of the prompt cache (`--cache-ram`); the server's own default is 8 GiB."""
    ctx_checkpoints: Count | None = Field(default=None, ge=0)
    """Most checkpoints for each slot (`--ctx-checkpoints`), for models with windows or state."""
    load_mode: Literal["auto", "none", "mmap", "mlock", "mmap+mlock", "dio"] | None = None
    """How weights are read (`--load-mode`; `--no-mmap`, `--mlock` on older builds)."""
    threads: Count | None = Field(default=None, ge=1)
    """CPU threads (`--threads`)."""
    threads_batch: Count | None = Field(default=None, ge=1)
    """CPU threads for prompts (`--threads-batch`)."""
    n_predict: Count | None = Field(default=None, ge=-1)
    """Most tokens of an answer (`--n-predict`)."""
    cache_reuse: Count | None = Field(default=None, ge=0)
    """Smallest chunk that is reused by shifting (`--cache-reuse`)."""
    context_shift: bool | None = None
    """Drop the oldest tokens when the context is full (`--context-shift`)."""
    jinja: bool | None = None
    """Use the model's own chat template (`--jinja`)."""
    chat_template: Text | None = None
    """A built-in template's name (`--chat-template`); jinja is off then, except for "chatml"."""
    chat_template_file: Text | None = None
    """A template file (`--chat-template-file`)."""
    chat_template_kwargs: dict[str, Any] | None = None
    """Arguments of the chat template (`--chat-template-kwargs`)."""
    reasoning_format: Literal["auto", "none", "deepseek", "deepseek-legacy"] | None = None
    """What becomes of thoughts (`--reasoning-format`)."""
    reasoning_budget: Count | None = Field(default=None, ge=-1)
    """Most tokens of thought; -1 is unlimited, 0 is off (`--reasoning-budget`)."""
    rope_scaling: Literal["none", "linear", "yarn"] | None = None
    """RoPE scaling (`--rope-scaling`)."""
    rope_scale: Positive | None = None
    """Factor of the context (`--rope-scale`)."""
    rope_freq_base: Positive | None = None
    """RoPE base (`--rope-freq-base`)."""
    rope_freq_scale: Positive | None = None
    """RoPE frequency factor (`--rope-freq-scale`)."""
    yarn_orig_ctx: Count | None = Field(default=None, ge=0)
    """Trained context of the original model (`--yarn-orig-ctx`)."""
    pooling: Literal["none", "mean", "cls", "last", "rank"] | None = None
    """Pooling of an embedding model (`--pooling`); absent: the model's own."""
    embd_normalize: Count | None = Field(default=None, ge=-1)
    """Normalisation of embeddings (`--embd-normalize`)."""
    metrics: bool | None = None
    """Prometheus metrics of the server (`--metrics`)."""
    slots: bool | None = None
    """The server's `/slots` page (`--slots`)."""
    sleep_idle_seconds: Sleep | None = None
    """Idle seconds after which weights are released (`--sleep-idle-seconds`)."""


class Defaults(ServerOptions):
    """[defaults]: options of every model that does not set its own."""

    ttl: Seconds | None = None
    """Idle time after which an on-demand model is unloaded; 0: never."""
    sampling: Sampling = Sampling.model_construct()
    """Sampling of every model that does not set its own."""
    environment: dict[EnvironmentName, Line | Secret] = Field(default_factory=dict)
    """Environment of every server."""


class ModelTable(ModelSource, ServerOptions, EngineKeys):
    """[models.NAME]: one served model."""

    engine: EngineName = USUAL.name
    """The program that serves it: llama-server, vllm, sglang, mlx, whisper, stable-diffusion, tei,
    or `command` for any other. Most keys are those of one engine."""
    container: ContainerTable | None = None
    """The program runs in a container of podman or docker."""
    role: Role = "chat"
    """What it does: chat, completion, embedding, rerank, vision, transcription, speech, image;
    absent: what its engine is usually asked for."""
    enable: bool = True
    """False keeps the entry without serving it."""
    title: Line = ""
    """Name for people."""
    description: Line = ""
    """A sentence for people."""
    notes: tuple[Line, ...] = ()
    """More for people: what it is good at, where it came from."""
    scores: dict[Line, float] = Field(default_factory=dict)
    """Results of benchmarks for people (`{ "SWE-bench" = 72.5 }`)."""
    host: FileName | Annotated[tuple[FileName, ...], Field(min_length=1)] | None = None
    """The machine of [hosts] that serves it, or several: the first, with the others to spare;
    `"auto"` (or absent, where there are several): the one where it fits best."""
    hosts: Annotated[Count, Field(ge=1, le=64)] = 1
    """On how many machines it is, where `host` leaves that to the planner; with [kubernetes]: how
    many pods it has."""
    pool: FileName | None = None
    """The nodes of [kubernetes.pools] that serve it; absent: the first pool where it fits."""
    nodes: Annotated[Count, Field(ge=1, le=64)] = 1
    """How many nodes of a cluster serve it together (vLLM, `style = "lws"`): each has a part of the
    layers, and as many devices as `tensor_parallel_size`."""
    aliases: tuple[ModelName, ...] = ()
    """Other names for it, unique in the whole file."""
    default: bool = False
    """Answers requests of its role that name no model."""
    keep: Literal["always", "on_demand"] | None = None
    """`always`: a service of its own (the default of embedding and rerank); `on_demand`: loaded
    by [services] on_demand (the default of the others)."""
    pin: bool = False
    """An on-demand model that is never evicted."""
    preload: bool = False
    """Loaded when the service starts."""
    priority: Annotated[Count, Field(ge=-100, le=100)] = 0
    """Who is planned first, and who is served first from the queue."""
    ttl: Seconds | None = None
    """Idle time after which it is unloaded; 0: never."""
    unlisted: bool = False
    """Served, but not in the list of models."""
    concurrency_limit: Count | None = Field(default=None, ge=1)
    """Most requests admitted at a time, waiting ones included."""
    port: Port | None = None
    """Port of its server; absent: the next free one."""
    mmproj: Text | None = None
    """Projector file of a vision model, beside the model file or in its repository."""
    mmproj_offload: bool = True
    """The projector on the device (`--no-mmproj-offload`)."""
    lora: tuple[Lora, ...] = ()
    """LoRA adapters."""
    draft: Draft | None = None
    """Speculative decoding."""
    sampling: Sampling = Sampling.model_construct()
    """Sampling defaults."""
    environment: dict[EnvironmentName, Line | Secret] = Field(default_factory=dict)
    """Environment of its server."""
    extra_args: tuple[Text, ...] = ()
    """More words for llama-server's command line; none that a key models or that moves memory."""
    llama_swap: dict[str, Any] = Field(default_factory=dict)
    """More keys of its entry in llama-swap's config.yaml (`{ useModelName = "x" }`)."""
    variants: dict[ModelName, Variant] = Field(default_factory=dict)
    """Other names with other request parameters, served by the same process."""
    fallbacks: tuple[ModelName, ...] = ()
    """Models that a gateway tries when this one fails (LiteLLM)."""
    context_window_fallbacks: tuple[ModelName, ...] = ()
    """Models that a gateway tries when the prompt is too long (LiteLLM)."""
    replicas: tuple[HostPort, ...] = ()
    """`HOST:PORT` of more servers with this model, here or elsewhere, behind the same route. One on
    this host that is no other model's is planned to take what the model's own server takes."""
    failover: tuple[Spare, ...] = ()
    """Servers elsewhere with it, asked in this order when its own does not answer (Envoy,
    LiteLLM)."""

    @model_validator(mode="after")
    def _usual_role(self) -> Self:
        """What an engine is usually asked for, where llm.toml does not say."""
        engine = ENGINES.get(self.engine, USUAL)
        if "role" in self.model_fields_set or engine is USUAL:
            return self
        return self.model_copy(update={"role": (self.serves or engine.roles)[0]})
