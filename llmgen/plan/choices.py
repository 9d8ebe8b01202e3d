"""Values that an open setting can take, best first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, combinations, product

from msgspec.structs import replace

from llmgen.budget.settings import ServerSettings
from llmgen.facts.gguf_facts import GgufFacts
from llmgen.library import Library, Model
from llmgen.resolve.settings import batches, trained_context

# Cells of a context come in steps of 256 for each slot.
STEP = 256
# The least context that other open values leave room for; the server's own --fit-ctx has it.
LEAST_CONTEXT = 4096

# Far above llama.cpp's own limit (LLAMA_MAX_LAYERS, 512), whatever a header says.
MOST_BLOCKS = 10_000


def slots(settings: ServerSettings) -> int:
    """Slots that divide the context among them."""
    return 1 if settings.kv_unified else max(1, settings.parallel)


def contexts(model: Model) -> range:
    """Contexts from one step up to the trained length (stretched by RoPE), all slots together."""
    step = STEP * slots(model.settings)
    longest = int(
        (trained_context(model.facts) or model.settings.ctx_size) * (model.options.rope_scale or 1)
    )
    longest *= slots(model.settings)
    return range(step, max(step, longest - longest % step) + 1, step)


def with_context(
    model: Model, library: Library, settings: ServerSettings, size: int
) -> ServerSettings:
    """The settings with another context; batches follow where llm.toml leaves them to."""
    table = library.config.models[model.name]
    slot = settings.parallel if not settings.kv_unified else 1
    batch, ubatch = batches(table, model.options, size, max(1, slot))
    return replace(settings, ctx_size=size, batch_size=batch, ubatch_size=ubatch)


def cache_types(model: Model) -> list[tuple[str, str]]:
    """(K, V) types in the order of the lists; one list for both steps through them together."""
    keys = model.open.cache_type_k or (model.settings.cache_type_k,)
    values = model.open.cache_type_v or (model.settings.cache_type_v,)
    if keys == values:
        return list(zip(keys, values, strict=True))
    places = sorted(product(range(len(keys)), range(len(values))), key=lambda at: (sum(at), at))
    return [(keys[key], values[value]) for key, value in places]


def blocks(facts: GgufFacts) -> int:
    """Layers of the model, MTP blocks included."""
    found = facts.hyperparameters.get("block_count", 0)
    return min(max(0, int(found)), MOST_BLOCKS) if isinstance(found, int | float) else 0


def expert_layers(model: Model) -> Sequence[int]:
    """Numbers of layers with their experts on the host, fewest first; only 0 without experts."""
    experts = model.facts.hyperparameters.get("expert_count", 0)
    return range(blocks(model.facts) + 1) if experts else range(1)


def gpu_layers(model: Model) -> Sequence[int]:
    """Numbers of layers on the devices, most first; -1 is all of them with the output."""
    return (-1, *range(blocks(model.facts), -1, -1))


def devices(model: Model, library: Library, filled: Mapping[str, int]) -> Iterator[tuple[str, ...]]:
    """Each device by itself, the one with most room first; then more and more of them together."""
    room = {item.key: item.memory_bytes - item.reserve_bytes for item in library.machine.devices}
    ranked = sorted(room, key=lambda key: filled.get(key, 0) - room[key])
    order = [item.key for item in library.machine.devices]
    most = 1 if model.options.split_mode == "none" else len(ranked)
    # Rows are dealt to the first cards.
    several = order if model.options.split_mode == "row" else ranked
    for count in range(1, min(most, len(ranked)) + 1):
        if count > 1:
            yield tuple(sorted(several[:count], key=order.index))
        else:
            yield from ((key,) for key in ranked)


def placements(model: Model, library: Library) -> Iterator[tuple[str, ...]]:
    """Every set of devices that a model can be on, fewer devices first."""
    order = tuple(item.key for item in library.machine.devices)
    if model.options.split_mode == "row":
        yield from ((key,) for key in order)
        yield from (order[:count] for count in range(2, len(order) + 1))
        return
    most = 1 if model.options.split_mode == "none" else len(order)
    for count in range(1, most + 1):
        yield from combinations(order, count)


def shares(model: Model, room: Mapping[str, int], settings: ServerSettings) -> list[int]:
    """Layers for each device in proportion to its room, at least one each."""
    free = [max(0, room.get(device, 0)) for device in settings.devices]
    if settings.n_cpu_moe:
        return _weighed(_weights(model, settings.n_cpu_moe), free)
    return _divide(blocks(model.facts) + 1, free)


def _weights(model: Model, n_cpu_moe: int) -> list[int]:
    """Bytes of each layer that stay on the devices, the output last."""
    found = [0] * (blocks(model.facts) + 1)
    for group in model.facts.tensors:
        experts = "_exps" in group.pattern
        for layer in group.layers:
            if layer < len(found) and not (experts and layer < n_cpu_moe):
                found[layer] += group.bytes_each
    found[-1] += sum(found) // max(1, len(found))
    return found


def _weighed(weights: Sequence[int], free: Sequence[int]) -> list[int]:
    """Layers for each device, their bytes in proportion to its room; at least one each."""
    total, room = sum(weights) or 1, sum(free) or 1
    found, ends, passed = [0] * len(free), list(accumulate(free)), 0
    for weight in weights:
        middle = passed + weight / 2
        at = next((i for i, end in enumerate(ends) if middle * room <= end * total), len(free) - 1)
        found[at] += 1
        passed += weight
    for index in range(len(found)):
        if not found[index]:
            found[found.index(max(found))] -= 1
            found[index] = 1
    return found


def _divide(layers: int, free: Sequence[int]) -> list[int]:
    """Whole layers in proportion, none lost to rounding, at least one each."""
    total = sum(free) or 1
    found = [max(1, layers * part // total) for part in free]
    found[free.index(max(free))] += layers - sum(found)
    return found
