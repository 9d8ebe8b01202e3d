"""The estimate: what one llama-server process allocates, device by device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from llmgen.budget.beside.adapters import adapter_memory
from llmgen.budget.beside.additions import Addition, addition_parts, with_additions
from llmgen.budget.beside.backend import temporaries
from llmgen.budget.beside.projector import projector_memory
from llmgen.budget.beside.temporary import Temporary
from llmgen.budget.builds import DEFAULT, NEWEST, OLDEST, build_warning
from llmgen.budget.compute.buffers import Computed, compute_buffers
from llmgen.budget.context import Context
from llmgen.budget.drafting import contexts
from llmgen.budget.graph.general import is_described
from llmgen.budget.held.host import host_memory
from llmgen.budget.margin import margin_of
from llmgen.budget.memory import HOST, DeviceMemory, Estimate, HostMemory
from llmgen.budget.server.arrivals import unknown_warning
from llmgen.budget.settings import ServerSettings
from llmgen.budget.shape.architectures import is_judged
from llmgen.budget.shape.hyperparameters import Hyperparameters
from llmgen.facts.gguf_facts import GgufFacts

NO_BACKENDS: Final[Mapping[str, str]] = MappingProxyType({})


def estimate(
    facts: GgufFacts,
    settings: ServerSettings,
    build: int = DEFAULT,
    *,
    mmproj: GgufFacts | None = None,
    draft: GgufFacts | None = None,
    adapters: tuple[GgufFacts, ...] = (),
    backends: Mapping[str, str] = NO_BACKENDS,
    explained: bool = False,
) -> Estimate:
    """What a server of ``build`` allocates for ``facts`` under ``settings``.

    ``backends`` says what drives each device; without it nothing is counted beside the buffers.
    ``explained`` names the tensors that are alive at the peak of each compute buffer. Raises
    SettingRefused where the server would not start.
    """
    found = tuple(contexts(facts, settings, build, draft))
    main = found[0]
    buffers = tuple(compute_buffers(item.ground, explained=explained) for item in found)
    added = [] if mmproj is None else [projector_memory(mmproj, settings, build)]
    if adapters:
        added += adapter_memory(adapters, main.model, main.placement, settings, main.counts.ubatch)
    beside = tuple(_beside(found, buffers, backends))
    added += [Addition(it.what, device, 0, it.bytes) for device, it in beside if it.behind]
    memory = with_additions(added, _summed(found, buffers, settings))
    guessed = tuple(dict.fromkeys(_guessed(found, buffers, build)))
    margin = margin_of(known=not guessed, recorded=OLDEST <= build <= NEWEST)
    return Estimate(
        n_ctx=main.counts.context,
        n_ctx_seq=main.counts.cells,
        exact=is_judged(main.model.name) and OLDEST <= build <= NEWEST,
        memory=memory,
        host=_host(found, settings),
        margin={
            item.device: (margin.of(item.compute) if item.total else 0)
            + (buffers[0].pinned if item.device == HOST else 0)
            for item in memory
        },
        temporaries=_by_device(beside),
        warnings=tuple(_warnings(main.model, build, guessed)),
        parts=(
            *_parts(found, buffers),
            *addition_parts(added),
            *(
                (device, f"temporaries: {it.what}", it.bytes)
                for device, it in beside
                if not it.behind
            ),
        ),
    )


def _guessed(
    contexts: tuple[Context, ...], buffers: tuple[Computed, ...], build: int
) -> Iterator[str]:
    """The architectures of which a graph is not known exactly at the build."""
    for item, made in zip(contexts, buffers, strict=True):
        drafts = item.ground.setting.drafts and item.model.behind
        if made.guessed or not is_described(item.model.name, build, drafts=drafts):
            yield item.model.name


def _beside(
    contexts: tuple[Context, ...], buffers: tuple[Computed, ...], backends: Mapping[str, str]
) -> Iterator[tuple[str, Temporary]]:
    """What the backends take beside the graph, for each context: each has its own."""
    if not backends:
        return
    for item, made in zip(contexts, buffers, strict=True):
        names = (*item.placement.devices, HOST)
        yield from temporaries(backends, made.operations(), names)


def _by_device(beside: Iterable[tuple[str, Temporary]]) -> dict[str, int]:
    sizes = Counter[str]()
    for device, item in beside:
        if not item.behind:
            sizes[device] += item.bytes
    return dict(sizes)


def _summed(
    contexts: tuple[Context, ...], buffers: tuple[Computed, ...], settings: ServerSettings
) -> tuple[DeviceMemory, ...]:
    devices = dict.fromkeys((HOST, *settings.devices))
    for item in contexts:
        devices.update(dict.fromkeys(item.placement.devices))
    held = [item.cache_on_devices() for item in contexts]
    return tuple(
        DeviceMemory(
            device,
            model=sum(item.weights.total(device) for item in contexts),
            context=sum(sizes.get(device, 0) for sizes in held),
            compute=sum(made.buffers[device].bytes for made in buffers if device in made.buffers),
        )
        for device in devices
    )


def _host(contexts: Iterable[Context], settings: ServerSettings) -> HostMemory:
    """Every context has its output; cache and checkpoints are kept for the main one."""
    main, *others = (
        host_memory(
            *(item.model, settings, item.counts, item.shares, item.weights.total(HOST)),
            rows=item.output_rows,
        )
        for item in contexts
    )
    output = main.output + sum(item.output for item in others)
    mapped = main.page_cache + sum(item.page_cache for item in others)
    return replace(main, output=output, page_cache=mapped)


def _warnings(model: Hyperparameters, build: int, guessed: Iterable[str]) -> Iterator[str]:
    if not model.rules.known:
        yield f"`{model.name}` is unknown: its memory is that of plain attention"
    elif not is_judged(model.name):
        yield f"`{model.name}` was not held against the program: its rules are read in the source"
    elif build >= OLDEST:
        for name in guessed:
            yield f"the graph of `{name}` is not known exactly in b{build}: compute is estimated"
    yield from filter(None, (build_warning(build), unknown_warning(model.name, build)))


def _parts(
    contexts: tuple[Context, ...], buffers: tuple[Computed, ...]
) -> Iterator[tuple[str, str, int]]:
    """Every summand, in words: what is where, and the product that makes its bytes."""
    for item, made in zip(contexts, buffers, strict=True):
        for device, kinds in item.weights.on.items():
            yield from ((device, f"weights: {kind}", size) for kind, size in kinds.items())
        for share in item.shares:
            for device, count in item.layers_of(share).items():
                text = f"{share.what}: {count} layers x {share.sum}"
                yield device, text, share.bytes_each * count
        for device, buffer in made.buffers.items():
            yield from ((device, f"compute: {what}", size) for what, size in buffer.parts)
