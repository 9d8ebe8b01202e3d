"""One context of a server: a model under its settings, or the one that drafts for it."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.aborts import refuse_aborts
from llmgen.budget.builds import DEFAULT
from llmgen.budget.compute.ground import Ground
from llmgen.budget.graph.general import recipe_of
from llmgen.budget.graph.scene import Setting
from llmgen.budget.held.cache import CacheSettings, CacheShare, context_shares
from llmgen.budget.held.weights import Weights, weights
from llmgen.budget.remembered import Remembered
from llmgen.budget.server.arrivals import refuse_unknown
from llmgen.budget.server.geometry import Geometry, all_rows, geometry, pooling
from llmgen.budget.server.overrides import overrides
from llmgen.budget.server.placement import LayerPlacement, place_layers
from llmgen.budget.server.refusals import check_cache_types, flash_attention
from llmgen.budget.settings import DraftSettings, ServerSettings
from llmgen.budget.shape.hyperparameters import Hyperparameters, hyperparameters
from llmgen.facts.gguf_facts import GgufFacts

# Drafting types that roll state back, and so keep a row for each drafted token.
_ROLLS_BACK = ("draft-mtp", "draft-eagle3", "draft-dflash", "draft-dspark")
_MTP = "draft-mtp"


class Context(Struct, frozen=True):
    """One loaded model with its context, before devices are summed up."""

    model: Hyperparameters
    counts: Geometry
    placement: LayerPlacement
    weights: Weights
    shares: tuple[CacheShare, ...]
    # What its graph stands on.
    ground: Ground


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
    main = context(facts, settings, build, rollback=rolled, drafted=drafted, nextn=mtp)
    yield main
    if draft is not None:
        yield context(draft, _draft_settings(settings, drafting, main), build)
    elif mtp:
        own = replace(
            settings,
            cache_type_k=drafting.cache_type_k,
            cache_type_v=drafting.cache_type_v,
            embedding=False,
            pooling="",
        )
        none = Weights({}, main.weights.output)
        yield replace(context(facts, own, build, mtp=True, nextn=True), weights=none)


def _draft_settings(
    settings: ServerSettings, drafting: DraftSettings, main: Context
) -> ServerSettings:
    """A draft model's context follows the main one; its cache types and devices are its own.

    It hands no embeddings over (``common_base_params_to_speculative``).

    The server has one ``--tensor-split``, whose first shares are those of the draft's devices.
    """
    devices = drafting.devices or settings.devices
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
) -> Context:
    """Size one model's context; ``nextn`` loads its MTP blocks, ``mtp`` runs them."""
    refuse_unknown(facts.architecture, build)
    model = _MODELS.get((id(facts), build), facts, lambda: hyperparameters(facts, build))
    flash = flash_attention(model, settings)
    check_cache_types(model, settings.cache_type_k, settings.cache_type_v, flash=flash)
    counts = geometry(model, settings, drafted=drafted)
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
            ),
            pipelined=pipelined and several,
            recipe=recipe_of(model, facts.tensors),
            automatic=flash and settings.flash_attn == "auto",
        ),
    )
