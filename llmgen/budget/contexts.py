"""One context of a server: a model under its settings, or the one that drafts for it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.aborts import refuse_aborts, refuse_block
from llmgen.budget.builds import DEFAULT
from llmgen.budget.compute.ground import Ground
from llmgen.budget.graph.general import recipe_of
from llmgen.budget.graph.scene import Setting
from llmgen.budget.held.cache import CacheSettings, CacheShare, context_shares
from llmgen.budget.held.host import Handed
from llmgen.budget.held.weights import Weights, weights
from llmgen.budget.remembered import Remembered
from llmgen.budget.server.arrivals import refuse_unknown
from llmgen.budget.server.geometry import Geometry, all_rows, geometry, pooling
from llmgen.budget.server.overrides import overrides
from llmgen.budget.server.placement import LayerPlacement, place_layers
from llmgen.budget.server.refusals import check_cache_types, flash_attention
from llmgen.budget.settings import DraftSettings, ServerSettings
from llmgen.budget.shape.architectures import architecture
from llmgen.budget.shape.hyperparameters import Hyperparameters, hyperparameters
from llmgen.facts.gguf_facts import GgufFacts

# Drafting types that roll state back, and so keep a row for each drafted token. Their tokens are
# picked where the logits are (``backend_sampling`` in common/speculative.cpp).
_ROLLS_BACK = ("draft-mtp", "draft-eagle3", "draft-dflash", "draft-dspark")
_MTP = "draft-mtp"
_IN_BLOCKS = ("draft-dflash", "draft-dspark")
# The layers whose inputs a draft reads, by its header.
_READ = "target_layers"


class Context(Struct, frozen=True):
    """One loaded model with its context, before devices are summed up."""

    model: Hyperparameters
    counts: Geometry
    placement: LayerPlacement
    weights: Weights
    shares: tuple[CacheShare, ...]
    # What its graph stands on.
    ground: Ground
    handed: Handed


# A planner asks for one model under many settings.
_MODELS: Remembered[Hyperparameters] = Remembered(256)
_PLACEMENTS: Remembered[LayerPlacement] = Remembered(256)
_WEIGHTS: Remembered[Weights] = Remembered(256)


def _loaded(
    facts: GgufFacts,
    build: int,
    model: Hyperparameters,
    placement: LayerPlacement,
    settings: ServerSettings,
    *,
    nextn: bool,
) -> Weights:
    """The model's weights; neither the context nor its caches change them."""
    moved = (settings.override_tensor, settings.n_cpu_moe, settings.devices, settings.load_mode)
    key = (id(facts), build, placement, nextn, *moved)
    return _WEIGHTS.get(
        key, facts, lambda: weights(facts.tensors, model, placement, settings, nextn_loaded=nextn)
    )


def contexts(
    facts: GgufFacts, settings: ServerSettings, build: int, draft: GgufFacts | None
) -> Iterator[Context]:
    """The main context, then the one that drafts, if any."""
    drafting = settings.draft or DraftSettings()
    mtp = drafting.spec_type == _MTP
    rolled = drafting.n_max if drafting.spec_type in _ROLLS_BACK else 0
    drafted = drafting.n_max if drafting.spec_type != "none" else 0
    sampled = bool(rolled) and drafting.backend_sampling
    read = _read_layers(draft) if draft is not None and rolled else ()
    main = context(facts, settings, build, rollback=rolled, drafted=drafted, nextn=mtp, read=read)
    if mtp or main.model.layers in read:
        # Of every token of a batch, whichever are outputs.
        main = replace(main, handed=replace(main.handed, nextn_rows=main.counts.batch))
    yield main
    if draft is not None:
        own = _draft_settings(draft, settings, drafting, main)
        made = context(draft, own, build, mtp=mtp, nextn=mtp, sampled=sampled)
        if drafting.spec_type in _IN_BLOCKS:
            # What it encodes is written into its cache, and no output.
            rows = made.counts.slots * (1 + drafting.n_max)
            made = replace(made, handed=replace(made.handed, rows=rows, nextn_rows=rows))
        if mtp:
            refuse_block(made.model, build)
        yield made
    elif mtp:
        refuse_block(main.model, build)
        own = replace(
            settings,
            cache_type_k=drafting.cache_type_k,
            cache_type_v=drafting.cache_type_v,
            embedding=False,
            pooling="",
        )
        none = Weights({}, main.weights.output)
        made = context(facts, own, build, mtp=True, nextn=True, sampled=sampled)
        yield replace(made, weights=none)


def _read_layers(draft: GgufFacts) -> tuple[int, ...]:
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


def context(
    facts: GgufFacts,
    settings: ServerSettings,
    build: int = DEFAULT,
    *,
    rollback: int = 0,
    drafted: int = 0,
    mtp: bool = False,
    nextn: bool = False,
    sampled: bool = False,
    read: tuple[int, ...] = (),
) -> Context:
    """Size one model's context; ``nextn`` loads its MTP blocks, ``mtp`` runs them.

    Tokens that it drafts are ``sampled`` where its logits are; the inputs of layers that another
    model ``read``s stay to the end.
    """
    refuse_unknown(facts.architecture, build)
    model = _MODELS.get((id(facts), build), facts, lambda: hyperparameters(facts, build))
    flash = flash_attention(model, settings)
    check_cache_types(model, settings.cache_type_k, settings.cache_type_v, flash=flash)
    counts = geometry(model, settings, drafted=drafted, drafts=mtp)
    refuse_aborts(model, settings, counts)
    cache = CacheSettings(
        type_k=settings.cache_type_k,
        type_v=settings.cache_type_v,
        flash=flash,
        swa_full=settings.swa_full,
        rollback=rollback,
        mtp=mtp,
    )
    split = (model.layers, settings.devices, settings.n_gpu_layers, settings.tensor_split)
    placement = _PLACEMENTS.get(split, None, lambda: place_layers(model.layers, settings))
    pipelined = settings.kv_offload and not settings.override_tensor and not settings.n_cpu_moe
    several = placement.is_full and len(placement.devices) > 1
    return Context(
        model=model,
        counts=counts,
        placement=placement,
        weights=_loaded(facts, build, model, placement, settings, nextn=nextn),
        shares=context_shares(model, counts, cache),
        ground=Ground(
            model=model,
            tensors=facts.tensors,
            placement=placement,
            moved=overrides(settings),
            moved_by=(settings.override_tensor, settings.n_cpu_moe, settings.devices),
            setting=Setting(
                counts=counts,
                flash=flash,
                kv_offload=settings.kv_offload or not settings.devices,
                type_k=settings.cache_type_k,
                type_v=settings.cache_type_v,
                embeddings=all_rows(settings),
                pooling=pooling(model, settings),
                rollback=rollback if model.rules.rollback else 0,
                drafts=mtp,
                samplers=counts.slots if sampled else 0,
                handed=read,
            ),
            pipelined=pipelined and several,
            recipe=recipe_of(model, facts.tensors),
            automatic=flash and settings.flash_attn == "auto",
        ),
        handed=Handed(
            rows=counts.outputs,
            nextn_rows=counts.outputs if sampled else 0,
            layers=len(read),
            sampled=sampled,
        ),
    )
