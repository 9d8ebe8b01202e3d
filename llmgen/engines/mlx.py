"""mlx_lm.server: MLX models on Apple silicon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field

from llmgen.config.tables.base import Count, Size, Text
from llmgen.engines.base import TEXT_PATHS, Engine, Listen, Served, flags
from llmgen.engines.keys import Claimed, Program
from llmgen.units import GIB


class MlxOptions(Program, Claimed):
    """mlx_lm.server's keys."""

    adapter_path: Text | None = None
    """A folder with a LoRA adapter below [paths] models (`--adapter-path`)."""
    max_tokens: Annotated[Count, Field(ge=1)] | None = None
    """Most tokens of an answer where a request says nothing (`--max-tokens`)."""
    prompt_cache_bytes: Size | None = None
    """Most memory of kept prompts (`--prompt-cache-bytes`), within `memory`; absent: 1 GiB, since
    the server's own cache has no limit."""


PROMPT_CACHE: Final = GIB
_FLAGS: Final = {"adapter_path": "--adapter-path", "max_tokens": "--max-tokens"}


def words(served: Served, listen: Listen) -> Iterator[str]:
    """Model, address and its few options."""
    yield from ("--model", served.model, "--host", listen.host, "--port", listen.port)
    # A bare number is bytes; its own units are decimal.
    kept = served.get("prompt_cache_bytes", PROMPT_CACHE)
    yield from ("--prompt-cache-bytes", str(kept))
    yield from flags(served, _FLAGS)
    yield from served.extra_args


def calls_tools(served: Served) -> bool:
    """It reads tool calls where the model's template has them."""
    return "chat" in served.serves


ENGINE: Final = Engine(
    name="mlx",
    summary="mlx_lm.server: MLX models on Apple silicon",
    program="mlx_lm.server",
    options=MlxOptions,
    keys=frozenset({*MlxOptions.model_fields, "model", "hf_repo", "extra_args"}),
    roles=("chat", "completion"),
    paths=TEXT_PATHS,
    files=("adapter_path",),
    # Any other name makes it look for a model of that name on the Hub.
    upstream="default_model",
    start_seconds=300,
    picks_devices=False,
    words=words,
    calls_tools=calls_tools,
)
