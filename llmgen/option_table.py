"""The table of llama-server's options that llmgen writes or keeps for itself.

Spellings, variables and builds are those of `common/arg.cpp` at b9093 and b11434, and of
`llama-server --help` at b11434; --load-mode is b10105's (llama.cpp PR 20834).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

LATEST: Final = 10**9
LOAD_MODE_SINCE: Final = 10105
LOAD_MODE_AUTO_SINCE: Final = 10364
# The first build with --cors-origins (ggml-org/llama.cpp#25655).
CORS_SINCE: Final = 10010
# Variables that b11434 has and b9093 has not; between them, the flag is the safe spelling.
_LATE: Final = 11434


class Option(Struct, frozen=True):
    """One option: what llm.toml calls it, and what each build of the server does.

    ``flag`` is the long spelling that llmgen writes, ``negative`` its opposite; ``variable`` is
    read by builds from ``variable_since`` on. A ``switch`` takes no value. ``key`` is empty for
    what no key models: llmgen sets it, or it moves memory, or it makes the server unreachable.
    """

    flag: str
    key: str = ""
    others: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    variable: str = ""
    variable_since: int = 0
    switch: bool = False
    since: int = 0
    until: int = LATEST

    @property
    def name(self) -> str:
        """The key in llama-server's INI files."""
        return self.flag.lstrip("-")

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every word of a command line that is this option."""
        return (self.flag, *self.others, *self.negative)

    def known_to(self, build: int) -> bool:
        """Whether this build of the server has the option."""
        return self.since <= build < self.until

    def variable_of(self, build: int) -> str:
        """The environment variable that this build reads, or nothing."""
        return self.variable if build >= self.variable_since else ""


def _value(flag: str, key: str, *others: str, variable: str = "", late: bool = False) -> Option:
    full = f"LLAMA_ARG_{variable}" if variable else ""
    return Option(flag, key, others, variable=full, variable_since=_LATE if late else 0)


def _toggle(flag: str, key: str, *others: str, no: Sequence[str], variable: str = "") -> Option:
    full = f"LLAMA_ARG_{variable}" if variable else ""
    return Option(flag, key, others, tuple(no), variable=full, switch=True)


def _switch(flag: str, key: str, *others: str, variable: str = "") -> Option:
    full = f"LLAMA_ARG_{variable}" if variable else ""
    return Option(flag, key, others, variable=full, switch=True)


def _kept(*spellings: str, switch: bool = False) -> Option:
    """An option that llm.toml has no key for and extra_args may not set."""
    return Option(spellings[0], "", spellings[1:], switch=switch)


# In the order of command lines.
_WRITTEN: Final = (
    _value("--model", "model", "-m", variable="MODEL"),
    _value("--alias", "aliases", "-a", variable="ALIAS"),
    _value("--mmproj", "mmproj", "-mm", variable="MMPROJ"),
    _toggle(
        "--mmproj-offload", "mmproj_offload", no=["--no-mmproj-offload"], variable="MMPROJ_OFFLOAD"
    ),
    _value("--lora", "lora"),
    _value("--lora-scaled", "lora"),
    # llama-server does its options one after the other: devices of others first, then their names.
    _value("--rpc", "", variable="RPC"),
    _value("--device", "device", "-dev", variable="DEVICE"),
    _value("--n-gpu-layers", "n_gpu_layers", "-ngl", "--gpu-layers", variable="N_GPU_LAYERS"),
    _value("--split-mode", "split_mode", "-sm", variable="SPLIT_MODE"),
    _value("--tensor-split", "tensor_split", "-ts", variable="TENSOR_SPLIT"),
    _value("--main-gpu", "main_gpu", "-mg", variable="MAIN_GPU"),
    _value("--n-cpu-moe", "n_cpu_moe", "-ncmoe", variable="N_CPU_MOE"),
    _value("--override-tensor", "override_tensor", "-ot", variable="OVERRIDE_TENSOR"),
    _value("--ctx-size", "ctx_size", "-c", variable="CTX_SIZE"),
    _value("--parallel", "parallel", "-np", variable="N_PARALLEL"),
    _toggle(
        "--kv-unified",
        "kv_unified",
        "-kvu",
        no=["--no-kv-unified", "-no-kvu"],
        variable="KV_UNIFIED",
    ),
    _value("--batch-size", "batch_size", "-b", variable="BATCH"),
    _value("--ubatch-size", "ubatch_size", "-ub", variable="UBATCH"),
    _value("--flash-attn", "flash_attn", "-fa", variable="FLASH_ATTN"),
    _value("--cache-type-k", "cache_type_k", "-ctk", variable="CACHE_TYPE_K"),
    _value("--cache-type-v", "cache_type_v", "-ctv", variable="CACHE_TYPE_V"),
    _toggle(
        "--kv-offload",
        "kv_offload",
        "-kvo",
        no=["--no-kv-offload", "-nkvo"],
        variable="KV_OFFLOAD",
    ),
    _switch("--swa-full", "swa_full", variable="SWA_FULL"),
    _value("--cache-ram", "cache_ram", "-cram", variable="CACHE_RAM"),
    _value(
        "--ctx-checkpoints",
        "ctx_checkpoints",
        "-ctxcp",
        "--swa-checkpoints",
        variable="CTX_CHECKPOINTS",
    ),
    _value("--fit", "", "-fit", variable="FIT"),
    Option(
        "--load-mode",
        "load_mode",
        ("-lm",),
        variable="LLAMA_ARG_LOAD_MODE",
        since=LOAD_MODE_SINCE,
    ),
    Option(
        "--mmap",
        "load_mode",
        negative=("--no-mmap",),
        variable="LLAMA_ARG_MMAP",
        switch=True,
        until=LOAD_MODE_SINCE,
    ),
    Option("--mlock", "load_mode", variable="LLAMA_ARG_MLOCK", switch=True, until=LOAD_MODE_SINCE),
    Option(
        "--direct-io",
        "load_mode",
        ("-dio",),
        ("--no-direct-io", "-ndio"),
        "LLAMA_ARG_DIO",
        switch=True,
        until=LOAD_MODE_SINCE,
    ),
    _value("--threads", "threads", "-t", variable="THREADS"),
    _value("--threads-batch", "threads_batch", "-tb"),
    _switch("--embedding", "role", "--embeddings", variable="EMBEDDINGS"),
    _switch("--reranking", "role", "--rerank", variable="RERANKING"),
    _value("--pooling", "pooling", variable="POOLING"),
    _value("--embd-normalize", "embd_normalize"),
    _value("--spec-type", "draft.spec_type", variable="SPEC_TYPE", late=True),
    _value(
        "--spec-draft-model", "draft.model", "-md", "--model-draft", variable="SPEC_DRAFT_MODEL"
    ),
    _value(
        "--spec-draft-n-max",
        "draft.spec_draft_n_max",
        "--draft",
        "--draft-n",
        "--draft-max",
        variable="SPEC_DRAFT_N_MAX",
    ),
    _value(
        "--spec-draft-n-min",
        "draft.spec_draft_n_min",
        "--draft-min",
        "--draft-n-min",
        variable="SPEC_DRAFT_N_MIN",
    ),
    _value(
        "--spec-draft-ngl",
        "draft.n_gpu_layers",
        "-ngld",
        "--gpu-layers-draft",
        "--n-gpu-layers-draft",
        variable="N_GPU_LAYERS_DRAFT",
    ),
    _value(
        "--spec-draft-type-k",
        "draft.cache_type_k",
        "-ctkd",
        "--cache-type-k-draft",
        variable="SPEC_DRAFT_CACHE_TYPE_K",
    ),
    _value(
        "--spec-draft-type-v",
        "draft.cache_type_v",
        "-ctvd",
        "--cache-type-v-draft",
        variable="SPEC_DRAFT_CACHE_TYPE_V",
    ),
    _value("--spec-draft-device", "draft.device", "-devd", "--device-draft"),
    _value("--rope-scaling", "rope_scaling", variable="ROPE_SCALING_TYPE"),
    _value("--rope-scale", "rope_scale", variable="ROPE_SCALE"),
    _value("--rope-freq-base", "rope_freq_base", variable="ROPE_FREQ_BASE"),
    _value("--rope-freq-scale", "rope_freq_scale", variable="ROPE_FREQ_SCALE"),
    _value("--yarn-orig-ctx", "yarn_orig_ctx", variable="YARN_ORIG_CTX"),
    _value("--n-predict", "n_predict", "-n", "--predict", variable="N_PREDICT"),
    _value("--cache-reuse", "cache_reuse", variable="CACHE_REUSE"),
    _toggle(
        "--context-shift", "context_shift", no=["--no-context-shift"], variable="CONTEXT_SHIFT"
    ),
    _toggle("--jinja", "jinja", no=["--no-jinja"], variable="JINJA"),
    _value("--chat-template", "chat_template", variable="CHAT_TEMPLATE"),
    _value("--chat-template-file", "chat_template_file", variable="CHAT_TEMPLATE_FILE"),
    _value(
        "--chat-template-kwargs",
        "chat_template_kwargs",
        variable="CHAT_TEMPLATE_KWARGS",
        late=True,
    ),
    _value("--reasoning-format", "reasoning_format", variable="THINK"),
    _value("--reasoning-budget", "reasoning_budget", variable="THINK_BUDGET"),
    _switch("--metrics", "metrics", variable="ENDPOINT_METRICS"),
    _toggle("--slots", "slots", no=["--no-slots"], variable="ENDPOINT_SLOTS"),
    _value("--sleep-idle-seconds", "sleep_idle_seconds"),
    # The same as letters; read alone, so it stands before the one that is written.
    _value("--sampler-seq", "sampling.samplers", "--sampling-seq"),
    _value("--samplers", "sampling.samplers"),
    _value("--seed", "sampling.seed", "-s"),
    _value("--temp", "sampling.temp", "--temperature", variable="TEMPERATURE", late=True),
    _value("--top-k", "sampling.top_k", variable="TOP_K"),
    _value("--top-p", "sampling.top_p", variable="TOP_P", late=True),
    _value("--min-p", "sampling.min_p", variable="MIN_P", late=True),
    _value("--top-nsigma", "sampling.top_n_sigma", "--top-n-sigma"),
    _value("--typical", "sampling.typical_p", "--typical-p"),
    _value("--xtc-probability", "sampling.xtc_probability"),
    _value("--xtc-threshold", "sampling.xtc_threshold"),
    _value("--repeat-last-n", "sampling.repeat_last_n"),
    _value("--repeat-penalty", "sampling.repeat_penalty", variable="REPEAT_PENALTY", late=True),
    _value(
        "--presence-penalty", "sampling.presence_penalty", variable="PRESENCE_PENALTY", late=True
    ),
    _value(
        "--frequency-penalty",
        "sampling.frequency_penalty",
        variable="FREQUENCY_PENALTY",
        late=True,
    ),
    _value("--dry-multiplier", "sampling.dry_multiplier"),
    _value("--dry-base", "sampling.dry_base"),
    _value("--dry-allowed-length", "sampling.dry_allowed_length"),
    _value("--mirostat", "sampling.mirostat"),
    _value("--mirostat-lr", "sampling.mirostat_lr"),
    _value("--mirostat-ent", "sampling.mirostat_ent"),
    _value("--host", "", variable="HOST"),
    _value("--port", "port", variable="PORT"),
    Option("--api-key", "services.api_key", variable="LLAMA_API_KEY"),
    _value("--api-key-file", "services.api_key", variable="API_KEY_FILE", late=True),
)

# Never written: they move memory, choose another model, or hide the server from its clients.
_KEPT: Final = (
    _switch("--cpu-moe", "cpu_moe", "-cmoe", variable="CPU_MOE"),
    _kept("--n-cpu-ffn", "-ncffn"),
    _kept("--kv-unified-per-slot"),
    _kept("--ctx-size-draft", "-cd", "--spec-draft-ctx-size"),
    _kept("--fit-target", "-fitt"),
    _kept("--fit-ctx", "-fitc"),
    _kept("--fit-print", "-fitp"),
    _kept("--checkpoint-min-step", "-cms", "--checkpoint-every-n-tokens", "-cpent"),
    _kept("--lazy-mode", "-lzm"),
    _kept("--no-host", switch=True),
    _toggle("--repack", "", no=["--no-repack", "-nr"], variable="REPACK"),
    _toggle("--op-offload", "", no=["--no-op-offload"]),
    _kept("--override-kv"),
    _kept("--control-vector"),
    _kept("--control-vector-scaled"),
    _kept("--hf-repo", "-hf", "-hfr"),
    _kept("--hf-file", "-hff"),
    _kept("--model-url", "-mu"),
    _kept("--docker-repo", "-dr"),
    _kept("--mmproj-url", "-mmu"),
    _toggle("--mmproj-auto", "", no=["--no-mmproj", "--no-mmproj-auto"], variable="MMPROJ_AUTO"),
    Option("--mmproj-device", "", ("-mmdev",), variable="MTMD_BACKEND_DEVICE"),
    _kept("--image-max-tokens"),
    _kept("--image-min-tokens"),
    _kept("--mtmd-batch-max-tokens"),
    _kept("--spec-draft-hf", "-hfd", "-hfrd", "--hf-repo-draft"),
    _kept("--spec-draft-override-tensor", "-otd", "--override-tensor-draft"),
    _kept("--spec-draft-cpu-moe", "-cmoed", "--cpu-moe-draft", switch=True),
    _kept("--spec-draft-n-cpu-moe", "--spec-draft-ncmoe", "-ncmoed", "--n-cpu-moe-draft"),
    _kept("--backend-sampling", "-bs", switch=True),
    _toggle("--spec-draft-backend-sampling", "", no=["--no-spec-draft-backend-sampling"]),
    _kept("--models-dir"),
    _kept("--models-preset"),
    _kept("--models-max"),
    _toggle("--models-autoload", "", no=["--no-models-autoload"], variable="MODELS_AUTOLOAD"),
    _kept("--hf-token", "-hft"),
    _kept("--ssl-key-file"),
    _kept("--ssl-cert-file"),
    _kept("--api-prefix"),
    _kept("--reuse-port", switch=True),
    _kept("--list-devices", "--version", "--help", "--usage", "-h", switch=True),
    _kept("--cache-list", "-cl", "--completion-bash", switch=True),
    _kept("--spec-default", "--embd-gemma-default", "--fim-qwen-1.5b-default", switch=True),
    _kept("--fim-qwen-3b-default", "--fim-qwen-7b-default", "--fim-qwen-7b-spec", switch=True),
    _kept("--fim-qwen-14b-spec", "--fim-qwen-30b-default", "--gpt-oss-20b-default", switch=True),
    _kept("--gpt-oss-120b-default", "--vision-gemma-4b-default", switch=True),
    _kept("--vision-gemma-12b-default", switch=True),
)

OPTIONS: Final[tuple[Option, ...]] = (*_WRITTEN, *_KEPT)
