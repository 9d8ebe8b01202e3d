"""One context of a server: a model under its settings, or the one that drafts for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
from llmgen.budget.memory import HOST
from llmgen.budget.remembered import Remembered
from llmgen.budget.server.arrivals import refuse_unknown
from llmgen.budget.server.geometry import Geometry, all_rows, geometry, pooling
from llmgen.budget.server.overrides import overrides
from llmgen.budget.server.placement import LayerPlacement, place_layers
from llmgen.budget.server.refusals import check_cache_types, flash_attention
from llmgen.budget.settings import DraftSettings, ServerSettings
from llmgen.budget.shape.architectures import architecture
from llmgen.budget.shape.header import Header
from llmgen.budget.shape.hyperparameters import Hyperparameters, hyperparameters
from llmgen.facts.gguf_facts import GgufFacts

# Drafting types that roll state back, and so keep a row for each drafted token. Their tokens are
# picked where the logits are (``backend_sampling`` in common/speculative.cpp).
_ROLLS_BACK = ("draft-mtp", "draft-eagle3", "draft-dflash", "draft-dspark")
_MTP = "draft-mtp"
_EAGLE = "draft-eagle3"
_IN_BLOCKS = ("draft-dflash", "draft-dspark")
_ANCHORED = "draft-dspark"
# The layers whose inputs a draft reads, by its header.
_READ = "target_layers"
# Tokens of a block, where the header of a draft does not say it (common/speculative.cpp).
_BLOCK = 16


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

    def layers_of(self, share: CacheShare) -> Mapping[str, int]:
        """How many layers of a share each device has: with the layers, or all on the host."""
        if self.ground.setting.kv_offload:
            return self.placement.count(share.layers)
        return {HOST: len(share.layers)}

    def cache_on_devices(self) -> dict[str, int]:
        """Bytes of cache and state by device."""
        sizes: dict[str, int] = {}
        for share in self.shares:
            for device, count in self.layers_of(share).items():
                sizes[device] = sizes.get(device, 0) + share.bytes_each * count
        return sizes


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
    read = _read_layers(draft) if draft is not None and rolled else ()
    main = context(facts, settings, build, rollback=rolled, drafted=drafted, nextn=mtp, read=read)
    if mtp or (drafting.spec_type == _EAGLE and main.model.layers in read):
        # Of every token of a batch, whichever are outputs.
        layers = sum(layer < main.model.layers for layer in read)
        handed = replace(main.handed, nextn_rows=main.counts.batch, layers=layers)
        main = replace(main, handed=handed)
    yield main
    sampled = 1 if rolled and drafting.backend_sampling else 0
    if draft is not None:
        own = _draft_settings(draft, settings, drafting, main)
        if drafting.spec_type in _IN_BLOCKS:
            yield _block_context(draft, own, build, drafting, sampled=sampled)
        else:
            made = context(draft, own, build, mtp=mtp, nextn=mtp, sampled=sampled)
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


def _block_context(
    draft: GgufFacts, own: ServerSettings, build: int, drafting: DraftSettings, *, sampled: int
) -> Context:
    """What drafts a block at once: every token of it is an output.

    What it encodes is written into its cache, and no output. DFlash2 picks tokens of its own and
    hands them over in the place of hidden rows, of which it has one for each token of a batch.
    """
    asked = 1 + drafting.n_max
    picks = Header(draft.hyperparameters).count("selector_top_k") > 0
    made = context(draft, own, build, sampled=0 if picks else sampled * asked)
    slots, header = made.counts.slots, made.model.header
    if picks:
        handed = replace(made.handed, rows=slots, nextn_rows=made.counts.batch)
    else:
        anchored = drafting.spec_type == _ANCHORED and _predicts_anchor(header)
        block = header.count("block_size", _BLOCK)
        each = min(drafting.n_max, block) if anchored else min(asked, block)
        handed = replace(made.handed, rows=slots * each, nextn_rows=slots * each)
    return replace(made, handed=handed)


def _predicts_anchor(header: Header) -> bool:
    """Whether the first token of a block is a draft as well."""
    return header.values.get("sample_from_anchor") is not False


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
    sampled: int = 0,
    read: tuple[int, ...] = (),
) -> Context:
    """Size one model's context; ``nextn`` loads its MTP blocks, ``mtp`` runs them.

    Of each slot so many tokens that it drafts are ``sampled`` where its logits are; the inputs of
    layers that another model ``read``s stay to the end.
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
                samplers=_sampled_rows(counts, sampled),
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
            sampled=sampled > 0,
        ),
    )


def _sampled_rows(counts: Geometry, each: int) -> int:
    """Outputs of the largest micro-batch that are sampled (``ubatch_prepare_reserve``)."""
    return min(counts.outputs, counts.slots * min(each, counts.ubatch // counts.slots))
