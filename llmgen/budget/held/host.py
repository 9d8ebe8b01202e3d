"""Host memory that is in no buffer table: outputs, prompt cache, checkpoints, the program."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from llmgen.budget.held.cache import CacheShare
from llmgen.budget.held.weights import is_mapped
from llmgen.budget.memory import HostMemory
from llmgen.budget.server.geometry import Geometry, all_rows
from llmgen.budget.settings import ServerSettings
from llmgen.budget.shape.hyperparameters import Hyperparameters
from llmgen.budget.shape.rows import F32
from llmgen.units import MIB

# The program and its vocabulary, by whose names tokens are found: llama-server b11434 has 5 MiB of
# its own with 512 tokens and 29 MiB with 150,000 (anonymous memory beside its buffers, after a
# prompt). Merges, which that vocabulary has none of, take about as much again.
_PROGRAM: Final = 16 * MIB
_TOKEN: Final = 400
# --cache-ram -1 has no limit of its own; the most that one slot's context can put there is counted.
_UNLIMITED: Final = -1


class OutputRows(Struct, frozen=True):
    """How many rows an output buffer has of ``logits``, and of what drafts read or hand over.

    ``hidden`` rows; ``read_layers`` is how many layers' inputs it has of every token of a batch.
    Where tokens are ``sampled``, each row of logits has candidates, their logits and probabilities.
    """

    logits: int
    hidden: int = 0
    read_layers: int = 0
    sampled: bool = False


def host_memory(
    model: Hyperparameters,
    settings: ServerSettings,
    counts: Geometry,
    shares: Iterable[CacheShare],
    weights_on_host: int,
    *,
    rows: OutputRows,
) -> HostMemory:
    """The most that the options allow."""
    context = tuple(shares)
    whole = sum(share.bytes_total for share in context)
    return HostMemory(
        output=_outputs(model, settings, counts, rows),
        prompt_cache=_prompt_cache(settings, whole),
        checkpoints=settings.ctx_checkpoints * counts.slots * _checkpoint(counts, context),
        page_cache=weights_on_host if is_mapped(settings) else 0,
        process=_PROGRAM + _TOKEN * model.vocabulary,
    )


def _outputs(
    model: Hyperparameters, settings: ServerSettings, counts: Geometry, rows: OutputRows
) -> int:
    """One row for each output (``llama_context::output_reserve``).

    Logits, and in an embedding server the embedding of each token; what drafts read.
    """
    if all_rows(settings):
        return (model.vocabulary + _row(model)) * F32 * counts.batch
    wide = _row(model)
    sampled = 1 + 3 * model.vocabulary if rows.sampled else 0
    numbers = (model.vocabulary + sampled) * rows.logits + wide * rows.hidden
    return (numbers + model.embedding * counts.batch * rows.read_layers) * F32


def _row(model: Hyperparameters) -> int:
    """Elements of a row that a context hands over (``n_embd_out``)."""
    if model.rules.streams_out:
        return model.embedding * max(1, model.header.count("hyper_connection.count"))
    return model.header.count("embedding_length_out") or model.embedding


def _prompt_cache(settings: ServerSettings, context: int) -> int:
    if all_rows(settings) or not context:
        return 0
    return context if settings.cache_ram_bytes == _UNLIMITED else settings.cache_ram_bytes


def _checkpoint(counts: Geometry, shares: tuple[CacheShare, ...]) -> int:
    """One checkpoint of one slot: its recurrent state, or its window cells."""
    held = sum(share.bytes_total for share in shares if share.checkpointed)
    return held // max(1, counts.slots)
