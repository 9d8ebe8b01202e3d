"""text-embeddings-inference: embeddings and rerankers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field

from llmgen.config.tables.base import Count
from llmgen.engines.base import Engine, Listen, Served, flags
from llmgen.engines.keys import HubOptions, Program

# Its own default is 512, far beyond what clients of one machine send.
SLOTS: Final = 64


class TeiOptions(HubOptions, Program):
    """text-embeddings-router's keys."""

    max_batch_tokens: Annotated[Count, Field(ge=1)] | None = None
    """Tokens in one batch (`--max-batch-tokens`)."""
    max_concurrent_requests: Annotated[Count, Field(ge=1)] | None = None
    """Requests admitted at a time (`--max-concurrent-requests`)."""
    max_client_batch_size: Annotated[Count, Field(ge=1)] | None = None
    """Inputs of one request (`--max-client-batch-size`)."""


_FLAGS: Final = {
    "dtype": "--dtype",
    "pooling": "--pooling",
    "max_batch_tokens": "--max-batch-tokens",
    "max_concurrent_requests": "--max-concurrent-requests",
    "max_client_batch_size": "--max-client-batch-size",
}


def words(served: Served, listen: Listen) -> Iterator[str]:
    """Model, address and its few options."""
    yield from ("--model-id", served.model)
    if served.revision:
        yield from ("--revision", served.revision)
    yield from ("--hostname", listen.host, "--port", listen.port)
    yield from flags(served, _FLAGS)
    yield from served.extra_args


def slots(served: Served) -> int:
    """Requests admitted at a time."""
    return int(served.get("max_concurrent_requests", SLOTS))


ENGINE: Final = Engine(
    name="tei",
    summary="text-embeddings-inference: embeddings and rerankers",
    program="text-embeddings-router",
    options=TeiOptions,
    keys=frozenset(
        {
            *TeiOptions.model_fields,
            "model",
            "hf_repo",
            "revision",
            "device",
            "pooling",
            "ctx_size",
            "extra_args",
        }
    ),
    roles=("embedding", "rerank"),
    paths=("/v1/embeddings", "/rerank"),
    # Its rerank has a path, and a body (`texts`), of its own.
    moved={"rerank": "/rerank"},
    key_variable="API_KEY",
    start_seconds=300,
    container_program="text-embeddings-router",
    words=words,
    slots=slots,
)
