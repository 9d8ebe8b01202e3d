"""Context, slots and batches: the counts that every buffer is a multiple of.

The order of the operations is that of the constructor of ``llama_context`` (src/llama-context.cpp)
and of tools/server/server.cpp, with ``--fit off``.
"""

from __future__ import annotations

from msgspec import Struct

from llmgen.budget.builds import Rule
from llmgen.budget.settings import ServerSettings, SettingRefused
from llmgen.budget.shape.architectures import Family
from llmgen.budget.shape.hyperparameters import Hyperparameters
from llmgen.budget.shape.rows import padded

# `--parallel` left to the server: four slots that share one cache (PR 16736).
AUTO_SLOTS = 4
_UNIT = 256
# llama_pooling_type in include/llama.h.
_POOLING = {0: "none", 1: "mean", 2: "cls", 3: "last", 4: "rank"}
_MOST_SLOTS = 256  # LLAMA_MAX_SEQ


class Geometry(Struct, frozen=True, cache_hash=True):
    """``cells`` of each of ``streams`` full caches, ``window_cells`` of the windowed ones.

    ``ubatch`` are the ``tokens`` of a micro-batch, rounded up to as many for each slot.
    """

    context: int
    cells: int
    window_cells: int
    slots: int
    streams: int
    batch: int
    ubatch: int
    outputs: int
    tokens: int = 0

    @property
    def unified(self) -> bool:
        """Whether all slots share one cache."""
        return self.streams == 1


def geometry(
    model: Hyperparameters, settings: ServerSettings, *, drafted: int = 0, drafts: bool = False
) -> Geometry:
    """The counts for ``model`` under ``settings``; ``drafted`` rows are added to each output.

    Where its nextn block ``drafts``, the caches are those of the block.
    """
    slots, unified = _slots(settings)
    raw = settings.ctx_size or model.header.needed("context_length")
    if raw <= 0:
        message = "`context_length` is 0 in the header: no context was trained"
        raise SettingRefused("ctx_size", message, "say how much: `ctx_size = 4096`")
    encodes = model.rules.encoder and Rule.ENCODER_WITHOUT_ROWS not in model.build
    every_row = all_rows(settings) or encodes
    batch, ubatch = _batches(model, settings, raw)
    context = cells = padded(raw, _UNIT)
    if not unified:
        cells = padded(context // slots, _UNIT)
        context = cells * slots
    rows = ubatch if every_row else slots * (1 + drafted)
    tokens = min(ubatch, context)
    return Geometry(
        context=context,
        cells=cells,
        window_cells=_window_cells(
            *(model, settings, cells, slots if unified else 1, ubatch),
            apart=model.rules.family is Family.COMPRESSED and not drafts,
        ),
        slots=slots,
        streams=1 if unified else slots,
        batch=batch,
        # The worst-case graph has as many tokens for each slot (graph_reserve).
        ubatch=padded(tokens, slots),
        outputs=min(rows, tokens),
        tokens=tokens,
    )


def all_rows(settings: ServerSettings) -> bool:
    """Whether the server computes an output for every token: embedding and rerank servers."""
    return settings.embedding or settings.pooling not in ("", "none")


def pooling(model: Hyperparameters, settings: ServerSettings) -> str:
    """How a server pools embeddings: what the option says, else the header."""
    if settings.pooling or not settings.embedding:
        return settings.pooling
    return _POOLING.get(model.header.count("pooling_type"), "")


def _slots(settings: ServerSettings) -> tuple[int, bool]:
    if settings.parallel == 0:
        message = "`parallel` is 0, the server needs at least one slot"
        raise SettingRefused("parallel", message, "use 1 or more, or -1 for the server's choice")
    if settings.parallel > _MOST_SLOTS:
        message = f"`parallel` is {settings.parallel}, the server has at most {_MOST_SLOTS} slots"
        raise SettingRefused("parallel", message, f"use {_MOST_SLOTS} or fewer")
    if settings.parallel < 0:
        return AUTO_SLOTS, True  # whatever --no-kv-unified says
    return settings.parallel, bool(settings.kv_unified)


def _batches(model: Hyperparameters, settings: ServerSettings, raw: int) -> tuple[int, int]:
    for key in ("batch_size", "ubatch_size", "ctx_size"):
        if getattr(settings, key) < 0:
            raise SettingRefused(key, f"`{key}` is {getattr(settings, key)}, which is negative")
    asked, ubatch = settings.batch_size, settings.ubatch_size
    if settings.embedding and asked > ubatch:
        asked = ubatch  # an input must fit into one micro-batch
    causal = model.header.count("attention.causal", 1) != 0 and model.rules.causal
    batch = min(raw, asked) if causal else asked  # before the context is padded
    return batch, min(batch, ubatch or asked)


def _window_cells(
    model: Hyperparameters,
    settings: ServerSettings,
    cells: int,
    sharing: int,
    ubatch: int,
    *,
    apart: bool,
) -> int:
    """Compressed caches have one stream for each slot: these are ``apart``, and share no window."""
    if not model.windows.used:
        return 0
    if settings.swa_full:
        return cells
    slots = 1 if apart else sharing
    return padded(min(cells, model.windows.width * slots + ubatch), _UNIT)
