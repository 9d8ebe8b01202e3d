"""llama-server: planned from GGUF headers; its options are `ServerOptions` of the tables."""

from __future__ import annotations

from typing import Final

from llmgen.config.tables.base import Table, Text
from llmgen.engines.base import Engine


class LlamaOptions(Table):
    """llama-server's keys beside its options."""

    llama_server: Text | None = None
    """A llama-server of this model's own (ik_llama.cpp, a private build); absent: that of
    [paths]. `llmgen doctor` asks it which options it knows."""


ENGINE: Final = Engine(
    name="llama-server",
    summary="llama-server: GGUF models, planned to the byte",
    program="llama-server",
    options=LlamaOptions,
    keys=frozenset(
        {
            *LlamaOptions.model_fields,
            "model",
            "hf_repo",
            "hf_file",
            "quant",
            "revision",
            "ollama",
            "lm_studio",
            "mmproj",
            "mmproj_offload",
            "lora",
            "draft",
            "sampling",
            "extra_args",
        }
    ),
    roles=("chat", "completion", "embedding", "rerank", "vision"),
    key_variable="LLAMA_API_KEY",
    container_program="/app/llama-server",
    is_llama=True,
)
