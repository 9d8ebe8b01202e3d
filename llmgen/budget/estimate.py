"""The estimate: what one llama-server process allocates, device by device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from msgspec.structs import replace

from llmgen.budget.adapters import adapter_memory
from llmgen.budget.additions import addition_parts, with_additions
from llmgen.budget.architectures import is_judged
from llmgen.budget.arrivals import unknown_warning
from llmgen.budget.borrowed import borrows_all, fetched_caches
from llmgen.budget.buffers import Buffer, compute_buffers
from llmgen.budget.builds import DEFAULT, NEWEST, OLDEST, build_warning
from llmgen.budget.compute import (
    device_compute,
    host_only_compute,
    output_compute,
    pinned_attention,
    summands,
    visited_compute,
)
from llmgen.budget.contexts import Context, contexts
from llmgen.budget.copies import pipeline_copies
from llmgen.budget.host import host_memory
from llmgen.budget.hyperparameters import Hyperparameters
from llmgen.budget.margin import extra, margin
from llmgen.budget.model import (
    HOST,
    DeviceMemory,
    Estimate,
    HostMemory,
    ServerSettings,
)
from llmgen.budget.projector import projector_memory
from llmgen.budget.stages import copied_cache
from llmgen.budget.work import Run, Stage, Work
from llmgen.facts.model import GgufFacts

# What makes each device's compute buffer: a graph that was replayed, or the largest stage.
Buffers: TypeAlias = dict[str, Stage | Buffer]


def estimate(
    facts: GgufFacts,
    settings: ServerSettings,
    build: int = DEFAULT,
    *,
    mmproj: GgufFacts | None = None,
    draft: GgufFacts | None = None,
    adapters: tuple[GgufFacts, ...] = (),
    explained: bool = False,
) -> Estimate:
    """What a server of ``build`` allocates for ``facts`` under ``settings``.

    ``explained`` names the tensors that are alive at the peak of each compute buffer. Raises
    SettingRefused where the server would not start.
    """
    found = tuple(contexts(facts, settings, build, draft))
    main = found[0]
    buffers = tuple(_compute(item, explained=explained) for item in found)
    added = [] if mmproj is None else [projector_memory(mmproj, settings, build)]
    if adapters:
        added += adapter_memory(adapters, main.model, main.placement, settings, main.counts.ubatch)
    memory = with_additions(added, _summed(found, buffers, settings))
    more = extra(main.model.name, settings, build)
    return Estimate(
        n_ctx=main.counts.context,
        n_ctx_seq=main.counts.cells,
        exact=is_judged(main.model.name) and OLDEST <= build <= NEWEST,
        memory=memory,
        host=_host(found, settings),
        margin={
            item.device: margin(item, more, main.weights.copied_expert, copied_cache(main.work))
            + (_pinned(main) if item.device == HOST else 0)
            for item in memory
        },
        warnings=tuple(_warnings(main.model, build)),
        parts=(*_parts(found, buffers, settings), *addition_parts(added)),
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


def _compute(item: Context, *, explained: bool) -> Buffers:
    """The compute buffer of each device, with what makes it as large as it is."""
    if item.ground is not None:
        found = compute_buffers(item.ground, explained=explained)
        if found is not None:
            return {HOST: found[HOST], **found}
    return dict(_largest_stages(item))


def _largest_stages(item: Context) -> dict[str, Stage]:
    """The same where there is no recipe: the largest of a few sets of activations."""
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


def _with_copies(work: Work, found: dict[str, Stage]) -> dict[str, Stage]:
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
            parts = stage.parts if isinstance(stage, Buffer) else summands(item.work, stage)
            for part in parts:
                yield device, f"compute: {part[0]}", part[1]
