"""The estimate: what one llama-server process allocates, device by device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.adapters import adapter_memory
from llmgen.budget.additions import addition_parts, with_additions
from llmgen.budget.architectures import is_judged
from llmgen.budget.arrivals import refuse_unknown, unknown_warning
from llmgen.budget.borrowed import borrows_all, fetched_caches
from llmgen.budget.builds import DEFAULT, NEWEST, OLDEST, build_warning
from llmgen.budget.cache import CacheSettings, Share, context_shares
from llmgen.budget.compute import (
    device_compute,
    host_only_compute,
    output_compute,
    pinned_attention,
    summands,
    visited_compute,
)
from llmgen.budget.copies import pipeline_copies
from llmgen.budget.geometry import Geometry, all_rows, geometry, pooling
from llmgen.budget.host import host_memory
from llmgen.budget.hyperparameters import Hyperparameters, hyperparameters
from llmgen.budget.margin import extra, margin
from llmgen.budget.model import (
    HOST,
    DeviceMemory,
    DraftSettings,
    Estimate,
    HostMemory,
    ServerSettings,
)
from llmgen.budget.moved import moved_attention
from llmgen.budget.placement import Placement, place_layers
from llmgen.budget.projector import projector_memory
from llmgen.budget.rows import is_quantized
from llmgen.budget.settings import check_cache_types, flash_attention, keeps_flash
from llmgen.budget.stages import copied_cache
from llmgen.budget.weights import Weights, weights
from llmgen.budget.work import Run, Stage, Work
from llmgen.facts.model import GgufFacts

Buffers: TypeAlias = dict[str, Stage]

# Drafting types that roll state back, and so keep a row for each drafted token.
_ROLLS_BACK = ("draft-mtp", "draft-eagle3", "draft-dflash", "draft-dspark")
_MTP = "draft-mtp"


class Context(Struct, frozen=True):
    """One loaded model with its context, before devices are summed up."""

    model: Hyperparameters
    counts: Geometry
    placement: Placement
    weights: Weights
    shares: tuple[Share, ...]
    work: Work
    # The layers that its graph runs: MTP blocks are only loaded, or they run alone.
    ran: range
    # Where attention of a layer runs, if not with its layer.
    moved: dict[int, str]
    # Neither the cache nor any tensor is kept away from the devices.
    pipelined: bool = True


def estimate(
    facts: GgufFacts,
    settings: ServerSettings,
    build: int = DEFAULT,
    *,
    mmproj: GgufFacts | None = None,
    draft: GgufFacts | None = None,
    adapters: tuple[GgufFacts, ...] = (),
) -> Estimate:
    """What a server of ``build`` allocates for ``facts`` under ``settings``.

    Raises SettingRefused where the server would not start.
    """
    contexts = tuple(_contexts(facts, settings, build, draft))
    main = contexts[0]
    buffers = tuple(map(_compute, contexts))
    added = [] if mmproj is None else [projector_memory(mmproj, settings, build)]
    if adapters:
        added += adapter_memory(adapters, main.model, main.placement, settings, main.counts.ubatch)
    memory = with_additions(added, _summed(contexts, buffers, settings))
    more = extra(main.model.name, settings, build)
    return Estimate(
        n_ctx=main.counts.context,
        n_ctx_seq=main.counts.cells,
        exact=is_judged(main.model.name) and OLDEST <= build <= NEWEST,
        memory=memory,
        host=_host(contexts, settings),
        margin={
            item.device: margin(item, more, main.weights.copied_expert, copied_cache(main.work))
            + (_pinned(main) if item.device == HOST else 0)
            for item in memory
        },
        warnings=tuple(_warnings(main.model, build)),
        parts=(*_parts(contexts, buffers, settings), *addition_parts(added)),
    )


def _contexts(
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
            settings, cache_type_k=drafting.cache_type_k, cache_type_v=drafting.cache_type_v
        )
        none = Weights({}, 0, main.weights.output)
        yield replace(context(facts, own, build, mtp=True, nextn=True), weights=none)


def _draft_settings(
    settings: ServerSettings, drafting: DraftSettings, main: Context
) -> ServerSettings:
    """A draft model's context follows the main one; its cache types and devices are its own.

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
    model = hyperparameters(facts, build)
    flash = flash_attention(model, settings)
    check_cache_types(model, settings.cache_type_k, settings.cache_type_v, flash=flash)
    counts = geometry(model, settings, drafted=drafted)
    cache = CacheSettings(
        type_k=settings.cache_type_k,
        type_v=settings.cache_type_v,
        flash=flash,
        swa_full=settings.swa_full,
        rollback=rollback,
        mtp=mtp,
    )
    placement = place_layers(model.blocks, settings)
    placed = (model, facts.tensors, settings, placement)
    moved = moved_attention(*placed)
    return Context(
        model=model,
        counts=counts,
        placement=placement,
        weights=weights(facts.tensors, model, placement, settings, nextn_loaded=nextn),
        shares=context_shares(model, counts, cache),
        work=Work(
            model=model,
            counts=counts,
            flash=flash and keeps_flash(model, settings, placement, apart=bool(moved)),
            sure=settings.flash_attn == "on" or is_quantized(settings.cache_type_v),
            kv_offload=settings.kv_offload or not settings.devices,
            type_k=settings.cache_type_k,
            type_v=settings.cache_type_v,
            embeds=all_rows(settings),
            embedding=settings.embedding,
            pooling=pooling(model, settings),
        ),
        ran=range(model.layers if mtp else model.trunk),
        moved=moved_attention(*placed, scores=True),
        pipelined=settings.kv_offload and not settings.override_tensor and not settings.n_cpu_moe,
    )


def _summed(
    contexts: tuple[Context, ...], buffers: tuple[Buffers, ...], settings: ServerSettings
) -> tuple[DeviceMemory, ...]:
    model, held, compute = Counter[str](), Counter[str](), Counter[str]()
    devices = dict.fromkeys((HOST, *settings.devices))
    for item, stages in zip(contexts, buffers, strict=True):
        devices.update(dict.fromkeys(item.placement.devices))
        for device in (HOST, *item.placement.devices):
            model[device] += item.weights.total(device)
        held.update(context_on_devices(item, kv_offload=settings.kv_offload))
        compute.update({device: stage.bytes for device, stage in stages.items()})
    return tuple(DeviceMemory(name, model[name], held[name], compute[name]) for name in devices)


def context_on_devices(item: Context, *, kv_offload: bool) -> Counter[str]:
    """Cache and state live with their layer, or on the host."""
    held: Counter[str] = Counter()
    for share in item.shares:
        if not kv_offload:
            held[HOST] += share.bytes_total
            continue
        for device, count in item.placement.count(share.layers).items():
            held[device] += share.bytes_each * count
    return held


def _compute(item: Context) -> Buffers:
    """The compute buffer of each device, with what makes it as large as it is."""
    homes = set(map(item.placement.of, item.ran))
    busy = [name for name in item.placement.devices if name in homes]
    # However the layers are split: one device may have them all.
    piped = item.pipelined and item.placement.is_full and len(item.placement.devices) > 1
    found = {HOST: _host_buffer(item)}
    for device in item.placement.devices:
        if device in busy:
            crossed = not piped and device != busy[0]
            later = crossed or HOST in item.placement.layers
            run = _run(item, device, later=later, crossed=crossed)
            lent = 0
            if not run.bare:
                lent = fetched_caches(item.work, item.placement, device, piped=piped)
            # Where every layer borrows, caches of the host come as those of other devices do.
            near = item.work.kv_offload or borrows_all(item.work, run.layers)
            work = replace(item.work, kv_offload=near)
            stage = device_compute(work, run, 0 if piped else lent)
            found[device] = Stage(stage.what, stage.bytes + (lent if piped else 0))
        elif device == item.weights.output:
            found[device] = output_compute(item.work)
    return _with_copies(item.work, found) if piped else found


def _pinned(item: Context) -> int:
    """Scores that the figure of the host does not have yet."""
    near = HOST in item.placement.layers or HOST in item.moved.values()
    return 0 if near else pinned_attention(item.work)


def _host_buffer(item: Context) -> Stage:
    if HOST in item.placement.layers:
        return host_only_compute(item.work, output=item.weights.output == HOST)
    here = item.weights.on.get(HOST, Counter[str]())
    return visited_compute(
        item.work,
        layers=here["layers"] > 0,
        experts=here["experts"] > 0,
        attention=HOST in item.moved.values(),
        output=item.weights.output == HOST,
    )


def _run(item: Context, device: str, *, later: bool, crossed: bool) -> Run:
    """What a device runs; ``later`` when the input comes from layers before its own."""
    on = item.weights.on
    elsewhere = on.get(HOST, Counter[str]())["experts"] > 0
    layers = tuple(il for il in item.ran if item.placement.of(il) == device)
    attending = [il for il in layers if item.model.attends(il)]
    return Run(
        output=device == item.weights.output,
        experts=on.get(device, Counter[str]())["experts"] > 0 or not elsewhere,
        partial=later,
        crossed=crossed,
        divided=item.weights.divided,
        hosted=item.weights.hosted,
        layers=layers,
        bare=bool(attending) and all(il in item.moved for il in attending),
    )


def _with_copies(work: Work, found: Buffers) -> Buffers:
    """Several devices that share all layers work on several micro-batches at once."""
    return {
        device: Stage(stage.what, stage.bytes + pipeline_copies(work, position))
        for position, (device, stage) in enumerate(found.items(), start=-1)
    }


def _host(contexts: Iterable[Context], settings: ServerSettings) -> HostMemory:
    """Every context has its output; cache and checkpoints are kept for the main one."""
    main, *others = (
        host_memory(item.model, settings, item.counts, item.shares, item.weights.total(HOST))
        for item in contexts
    )
    output = main.output + sum(item.output for item in others)
    mapped = main.page_cache + sum(item.page_cache for item in others)
    return replace(main, output=output, page_cache=mapped)


def _warnings(model: Hyperparameters, build: int) -> Iterator[str]:
    if not model.rules.known:
        yield f"`{model.name}` is unknown: its memory is that of plain attention"
    elif not is_judged(model.name):
        yield f"`{model.name}` was not held against the program: its rules are read in the source"
    yield from filter(None, (build_warning(build), unknown_warning(model.name, build)))


def _parts(
    contexts: tuple[Context, ...], buffers: tuple[Buffers, ...], settings: ServerSettings
) -> Iterator[tuple[str, str, int]]:
    """Every summand, in words: what is where, and the product that makes its bytes."""
    for item, stages in zip(contexts, buffers, strict=True):
        for device, kinds in item.weights.on.items():
            yield from ((device, f"weights: {kind}", size) for kind, size in kinds.items())
        for share in item.shares:
            counted = item.placement.count(share.layers)
            if not settings.kv_offload:
                counted = Counter({HOST: len(share.layers)})
            for device, count in counted.items():
                text = f"{share.what}: {count} layers x {share.sum}"
                yield device, text, share.bytes_each * count
        for device, stage in stages.items():
            for part in summands(item.work, stage):
                yield device, f"compute: {part.what}", part.bytes
