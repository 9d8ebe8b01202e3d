"""The contexts of one server: the main model's, and that of what drafts for it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from llmgen.budget.aborts import refuse_block
from llmgen.budget.context import Context, DraftRole, context
from llmgen.budget.graph.special.dspark import predicts_anchor
from llmgen.budget.held.weights import Weights
from llmgen.budget.settings import DraftSettings, ServerSettings
from llmgen.budget.shape.architectures import architecture
from llmgen.budget.shape.header import Header
from llmgen.facts.gguf_facts import GgufFacts

# Drafting types that roll state back, and so keep a row for each drafted token. Their tokens are
# picked where the logits are (``backend_sampling`` in common/speculative.cpp).
_ROLLS_BACK = ("draft-mtp", "draft-eagle3", "draft-dflash", "draft-dspark")
_MTP = "draft-mtp"
_EAGLE = "draft-eagle3"
_IN_BLOCKS = ("draft-dflash", "draft-dspark")
_ANCHORED = "draft-dspark"
# Types whose draft reads layers of the main model, and which ones, by its header.
READS = (_EAGLE, *_IN_BLOCKS)
_READ = "target_layers"
# Tokens of a block, where the header of a draft does not say it (common/speculative.cpp).
_BLOCK = 16


def contexts(
    facts: GgufFacts, settings: ServerSettings, build: int, draft: GgufFacts | None
) -> Iterator[Context]:
    """The main context, then the one that drafts, if any."""
    drafting = settings.draft or DraftSettings()
    main = _main_context(facts, settings, build, drafting, draft)
    yield main
    mtp, sampled = drafting.spec_type == _MTP, 0
    if drafting.spec_type in _ROLLS_BACK and drafting.backend_sampling:
        sampled = 1
    if draft is None:
        if mtp:
            yield _nextn_context(facts, settings, build, drafting, main, sampled=sampled)
        return
    own = _draft_settings(draft, settings, drafting, main)
    if drafting.spec_type in _IN_BLOCKS:
        yield _block_context(draft, own, build, drafting, sampled=sampled)
        return
    made = context(draft, own, build, DraftRole(nextn_loaded=mtp, nextn_runs=mtp, sampled=sampled))
    if mtp:
        refuse_block(made.model, build)
    yield made


def _main_context(
    facts: GgufFacts,
    settings: ServerSettings,
    build: int,
    drafting: DraftSettings,
    draft: GgufFacts | None,
) -> Context:
    """What is drafted for: tokens that are refused are rolled back, and a draft may read of it."""
    mtp, rolls = drafting.spec_type == _MTP, drafting.spec_type in _ROLLS_BACK
    read = read_layers(draft) if draft is not None and rolls else ()
    role = DraftRole(
        rollback=drafting.n_max if rolls else 0,
        drafted=drafting.n_max if drafting.spec_type != "none" else 0,
        nextn_loaded=mtp,
        read=read,
    )
    main = context(facts, settings, build, role)
    if not mtp and (drafting.spec_type != _EAGLE or main.model.layers not in read):
        return main
    # Hidden rows of every token of a batch, whichever are outputs.
    layers = sum(layer < main.model.layers for layer in read)
    rows = replace(main.output_rows, hidden=main.counts.batch, read_layers=layers)
    return replace(main, output_rows=rows)


def _nextn_context(
    facts: GgufFacts,
    settings: ServerSettings,
    build: int,
    drafting: DraftSettings,
    main: Context,
    *,
    sampled: int,
) -> Context:
    """The model's own MTP block; its weights are there already."""
    refuse_block(main.model, build)
    own = replace(
        settings,
        cache_type_k=drafting.cache_type_k,
        cache_type_v=drafting.cache_type_v,
        embedding=False,
        pooling="",
    )
    role = DraftRole(nextn_loaded=True, nextn_runs=True, sampled=sampled)
    made = context(facts, own, build, role)
    return replace(made, weights=Weights({}, main.weights.output))


def _block_context(
    draft: GgufFacts, own: ServerSettings, build: int, drafting: DraftSettings, *, sampled: int
) -> Context:
    """What drafts a block at once: every token of it is an output.

    What it encodes is written into its cache, and no output. DFlash2 picks tokens of its own and
    hands them over in the place of hidden rows, of which it has one for each token of a batch.
    """
    asked = 1 + drafting.n_max
    picks = Header(draft.hyperparameters).count("selector_top_k") > 0
    made = context(draft, own, build, DraftRole(sampled=0 if picks else sampled * asked))
    slots, header = made.counts.slots, made.model.header
    if picks:
        output_rows = replace(made.output_rows, logits=slots, hidden=made.counts.batch)
    else:
        anchored = drafting.spec_type == _ANCHORED and predicts_anchor(header)
        block = header.count("block_size", _BLOCK)
        each = min(drafting.n_max, block) if anchored else min(asked, block)
        output_rows = replace(made.output_rows, logits=slots * each, hidden=slots * each)
    return replace(made, output_rows=output_rows)


def read_layers(draft: GgufFacts) -> tuple[int, ...]:
    """Layers of the main model whose inputs a draft reads."""
    values = draft.hyperparameters.get(_READ)
    listed = values if isinstance(values, tuple) else ()
    return tuple(sorted({item for item in listed if type(item) is int}))


def _draft_settings(
    draft: GgufFacts, settings: ServerSettings, drafting: DraftSettings, main: Context
) -> ServerSettings:
    """A draft model's context follows the main one; its cache types and devices are its own.

    It hands no embeddings over (``common_base_params_to_speculative``).

    The server has one ``--tensor-split``, whose first shares are those of the draft's devices.
    """
    devices = drafting.devices or settings.devices
    if not architecture(draft.architecture).cached:
        # It reads the main one's.
        types = {"cache_type_k": settings.cache_type_k, "cache_type_v": settings.cache_type_v}
        drafting = replace(drafting, **types)
    return replace(
        settings,
        ctx_size=settings.ctx_size or main.model.header.needed("context_length"),
        cache_type_k=drafting.cache_type_k,
        cache_type_v=drafting.cache_type_v,
        n_gpu_layers=drafting.n_gpu_layers,
        devices=devices,
        tensor_split=settings.tensor_split[: len(devices)],
        n_cpu_moe=0,
        override_tensor=(),
        embedding=False,
        pooling="",
    )
