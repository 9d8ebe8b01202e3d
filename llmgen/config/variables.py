"""Variables of the `.env` files of published stacks, and the keys of llm.toml that they are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

# A table of llm.toml by its path: ("models", "coder"), ("services", "llama_swap").
TablePath: TypeAlias = tuple[str, ...]

VARIABLES: Final[Mapping[str, tuple[TablePath, str]]] = MappingProxyType(
    {
        "LLAMA_SWAP_PORT": (("services", "llama_swap"), "port"),
        "LLAMA_PORT": (("services", "llama_swap"), "port"),
        "LITELLM_PORT": (("gateway", "litellm"), "port"),
        "MODEL_TTL": (("defaults",), "ttl"),
        "MODELS_DIR": (("paths",), "models"),
        "MODEL_PREFIX": (("naming",), "prefix"),
        "DEFAULT_CTX_SIZE": (("defaults",), "ctx_size"),
        "CONTEXT_SIZE": (("defaults",), "ctx_size"),
        "DEFAULT_PARALLEL": (("defaults",), "parallel"),
        "GPU_LAYERS": (("defaults",), "n_gpu_layers"),
        "MEMORY_PRESSURE_THRESHOLD": (("guard",), "threshold"),
        "PRESSURE_CHECK_INTERVAL": (("guard",), "interval"),
    }
)
