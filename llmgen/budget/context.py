"""One context of a server: a model under its settings, and what it has to do with drafts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from llmgen.budget.aborts import refuse_aborts
from llmgen.budget.builds import DEFAULT
from llmgen.budget.compute.ground import Ground
from llmgen.budget.graph.general import recipe_of
from llmgen.budget.graph.scene import Setting
from llmgen.budget.held.cache import CacheSettings, CacheShare, context_shares
from llmgen.budget.held.host import OutputRows
from llmgen.budget.held.weights import Weights, weights
from llmgen.budget.memory import HOST
from llmgen.budget.remembered import Remembered
from llmgen.budget.server.arrivals import refuse_unknown
from llmgen.budget.server.geometry import Geometry, all_rows, geometry, pooling
from llmgen.budget.server.overrides import overrides
from llmgen.budget.server.placement import LayerPlacement, place_layers
from llmgen.budget.server.refusals import check_cache_types, flash_attention
from llmgen.budget.settings import ServerSettings
from llmgen.budget.shape.hyperparameters import Hyperparameters, hyperparameters
from llmgen.facts.gguf_facts import GgufFacts


class DraftRole(Struct, frozen=True, kw_only=True):
    """What a context has to do with drafts; a model that nobody drafts for has none of it."""

    # Tokens back to which states of slots are kept, and outputs of a slot beside the first.
    rollback: int = 0
    drafted: int = 0
    # Whether nextn blocks are loaded, and whether they are all that runs.
    nextn_loaded: bool = False
    nextn_runs: bool = False
    # Of each slot so many tokens are picked where the logits are.
    sampled: int = 0
    # Layers whose inputs another model reads: they stay to the end.
    read: tuple[int, ...] = ()


ALONE: Final = DraftRole()


class Context(Struct, frozen=True):
    """One loaded model with its context, before devices are summed up."""

    model: Hyperparameters
    counts: Geometry
    placement: LayerPlacement
    weights: Weights
    shares: tuple[CacheShare, ...]
    # What its graph stands on.
    ground: Ground
    output_rows: OutputRows

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


def context(
    facts: GgufFacts,
    settings: ServerSettings,
    build: int = DEFAULT,
    role: DraftRole = ALONE,
) -> Context:
    """Size one model's context; SettingRefused where the server would not start."""
    refuse_unknown(facts.architecture, build)
    model = _MODELS.get((id(facts), build), facts, lambda: hyperparameters(facts, build))
    flash = flash_attention(model, settings)
    check_cache_types(model, settings.cache_type_k, settings.cache_type_v, flash=flash)
    counts = geometry(model, settings, drafted=role.drafted, drafts=role.nextn_runs)
    refuse_aborts(model, settings, counts)
    cache = CacheSettings(
        type_k=settings.cache_type_k,
        type_v=settings.cache_type_v,
        flash=flash,
        swa_full=settings.swa_full,
        rollback=role.rollback,
        mtp=role.nextn_runs,
    )
    split = (model.layers, settings.devices, settings.n_gpu_layers, settings.tensor_split)
    placement = _PLACEMENTS.get(split, None, lambda: place_layers(model.layers, settings))
    setting = Setting(
        counts=counts,
        flash=flash,
        kv_offload=settings.kv_offload or not settings.devices,
        type_k=settings.cache_type_k,
        type_v=settings.cache_type_v,
        embeddings=all_rows(settings),
        pooling=pooling(model, settings),
        rollback=role.rollback if model.rules.rollback else 0,
        drafts=role.nextn_runs,
        samplers=_sampled_rows(counts, role.sampled),
        read=role.read,
    )
    return Context(
        model=model,
        counts=counts,
        placement=placement,
        weights=_loaded(facts, build, model, placement, settings, nextn=role.nextn_loaded),
        shares=context_shares(model, counts, cache),
        ground=_ground(facts, settings, model, placement, setting),
        output_rows=OutputRows(
            logits=counts.outputs,
            hidden=counts.outputs if role.sampled else 0,
            read_layers=len(role.read),
            sampled=role.sampled > 0,
        ),
    )


def _ground(
    facts: GgufFacts,
    settings: ServerSettings,
    model: Hyperparameters,
    placement: LayerPlacement,
    setting: Setting,
) -> Ground:
    """Several devices take turns at micro-batches where all of the model is theirs."""
    pipelined = settings.kv_offload and not settings.override_tensor and not settings.n_cpu_moe
    several = placement.is_full and len(placement.devices) > 1
    return Ground(
        model=model,
        tensors=facts.tensors,
        placement=placement,
        moved=overrides(settings),
        moved_by=(settings.override_tensor, settings.n_cpu_moe, settings.devices),
        setting=setting,
        pipelined=pipelined and several,
        recipe=recipe_of(model, facts.tensors),
        automatic=setting.flash and settings.flash_attn == "auto",
    )


def _sampled_rows(counts: Geometry, each: int) -> int:
    """Outputs of the largest micro-batch that are sampled (``ubatch_prepare_reserve``)."""
    return min(counts.outputs, counts.slots * min(each, counts.ubatch // counts.slots))
