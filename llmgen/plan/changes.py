"""Changes to one model that make its server smaller, cheapest first, each with its price."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.settings import ServerSettings
from llmgen.config.tables.models import GENERATES
from llmgen.engines.loaders import loader_of
from llmgen.library import Keep, Library, Model, Open
from llmgen.plan import choices
from llmgen.units import show_count, show_size

# Cache types worth offering, with what they cost (llama.cpp PR 7412 measures perplexities).
CACHE_TYPES = {
    "q8_0": "hardly any quality lost",
    "q5_1": "a little quality lost",
    "q4_0": "some quality lost",
}
# Kinds of changes, cheapest first.
RANK = (
    "tensor_split",
    "cache_type_k",
    "parallel",
    "ubatch_size",
    "cache_ram",
    "ctx_checkpoints",
    "n_cpu_moe",
    "model",
    "preload",
    "pin",
    "keep",
    "device",
    "n_gpu_layers",
    "ctx_size",
)
# Kinds that change when a model is in memory, not what it takes there.
WHEN = ("preload", "pin", "keep")
CACHE_BITS = {"f32": 32, "bf16": 16, "f16": 16, "q8_0": 8.5, "q5_1": 6, "q5_0": 5.5, "q4_1": 5}
_LEAST_BATCH = 128
# Keys that say which file it is.
SOURCE_KEYS = ("model", "hf_repo", "hf_file", "quant", "revision", "ollama", "lm_studio")


class ModelChange(Struct, frozen=True):
    """Keys of one [models] table with their new values as TOML, the model so changed, the price."""

    edits: tuple[tuple[str, str], ...]
    model: Model
    price: str

    @property
    def kind(self) -> str:
        """The first key: what changes of one sort have in common; any source key is `model`."""
        first = self.edits[0][0]
        return "model" if first in SOURCE_KEYS else first


def changes(model: Model, library: Library) -> Iterator[ModelChange]:
    """Every change that llmgen knows, in the order of RANK, within a kind the least first.

    Of other engines only when they are in memory can be changed: their settings are their own.
    """
    if not model.is_llama:
        yield from _kept(model, library)
        return
    kinds = (_shares, _types, _slots, _batches, _host, _experts, _quants, _kept, _devices)
    for kind in (*kinds, _contexts):
        yield from kind(model, library)


def _changed(model: Model, settings: ServerSettings, still: Open | None = None) -> Model:
    return replace(model, settings=settings, open=still or model.open)


def _shares(model: Model, library: Library) -> Iterator[ModelChange]:
    """Layers where there is room for them, not in proportion to it or as they are written."""
    del library
    settings = model.settings
    if len(settings.devices) > 1 and not model.open.tensor_split and settings.n_gpu_layers:
        sought = _changed(
            model, replace(settings, tensor_split=()), replace(model.open, tensor_split=True)
        )
        yield ModelChange((("tensor_split", '"auto"'),), sought, "layers go where there is room")


def _types(model: Model, library: Library) -> Iterator[ModelChange]:
    del library
    now = model.settings
    for name, price in CACHE_TYPES.items():
        if (
            CACHE_BITS.get(now.cache_type_k, 4) <= CACHE_BITS.get(name, 4.5)
            or model.settings.embedding
        ):
            continue
        smaller = replace(now, cache_type_k=name, cache_type_v=name)
        edits = (("cache_type_k", f'"{name}"'), ("cache_type_v", f'"{name}"'))
        yield ModelChange(
            edits,
            _changed(model, smaller, replace(model.open, cache_type_k=(), cache_type_v=())),
            price,
        )


def _slots(model: Model, library: Library) -> Iterator[ModelChange]:
    """Fewer slots with the context that each has now."""
    count = choices.slots(model.settings)
    for fewer in range(count - 1, 0, -1):
        size = model.settings.ctx_size // count * fewer
        slower = replace(model.settings, parallel=fewer)
        settings = choices.with_context(model, library, slower, size)
        edits = (("parallel", str(fewer)), ("ctx_size", str(size)))
        yield ModelChange(
            edits,
            _changed(model, settings, replace(model.open, ctx_size=False)),
            f"{fewer} requests at a time instead of {count}",
        )


def _batches(model: Model, library: Library) -> Iterator[ModelChange]:
    del library
    size = model.settings.ubatch_size // 2
    while size >= _LEAST_BATCH and not model.settings.embedding:
        smaller = replace(model.settings, ubatch_size=size)
        yield ModelChange((("ubatch_size", str(size)),), _changed(model, smaller), "slower prompts")
        size //= 2


def _host(model: Model, library: Library) -> Iterator[ModelChange]:
    del library
    if model.settings.cache_ram_bytes:
        less = replace(model.settings, cache_ram_bytes=0)
        yield ModelChange((("cache_ram", "0"),), _changed(model, less), "prompts are not kept")
    if model.settings.ctx_checkpoints:
        less = replace(model.settings, ctx_checkpoints=0)
        yield ModelChange((("ctx_checkpoints", "0"),), _changed(model, less), "prompts are redone")


def _experts(model: Model, library: Library) -> Iterator[ModelChange]:
    """Experts of more and more layers on the host; pointless where host and device are one."""
    if library.machine.unified or not model.settings.devices:
        return
    layers = choices.expert_layers(model)[model.settings.n_cpu_moe + 1 :]
    for count in layers:
        moved = replace(model.settings, n_cpu_moe=count)
        price = f"each token reads {show_size(_active(model, count))} of experts from host memory"
        yield ModelChange(
            (("n_cpu_moe", str(count)),),
            _changed(model, moved, replace(model.open, n_cpu_moe=False)),
            price,
        )


def offloads(model: Model, library: Library) -> Iterator[ModelChange]:
    """Fewer and fewer layers on the devices: what a dense model too large for them has left."""
    now = model.settings.n_gpu_layers
    if not model.is_llama:
        return
    if library.machine.unified or not model.settings.devices or model.settings.embedding:
        return
    every = choices.blocks(model.facts) + 1
    for count in choices.gpu_layers(model)[1:]:
        if count >= (every if now < 0 else now):
            continue
        fewer = replace(model.settings, n_gpu_layers=count)
        read = _active(model, every - count) + _dense(model, every - count)
        price = (
            f"{every - count} of {every} layers run on the host: each token reads "
            f"{show_size(read)} from its memory"
        )
        yield ModelChange(
            (("n_gpu_layers", str(count)),),
            _changed(model, fewer, replace(model.open, n_gpu_layers=False)),
            price,
        )


def host_read(model: Model, settings: ServerSettings) -> int:
    """Bytes that one token reads from host memory: of layers and of experts that are there."""
    every = choices.blocks(model.facts) + 1
    here = every if settings.n_gpu_layers < 0 else settings.n_gpu_layers
    away = max(0, every - here) if settings.devices else every
    experts = min(choices.blocks(model.facts), max(settings.n_cpu_moe, away))
    return _dense(model, away) + _active(model, experts)


def _active(model: Model, layers: int) -> int:
    """Bytes of the experts that one token uses in the first layers."""
    header = model.facts.hyperparameters
    used, count = header.get("expert_used_count", 1), header.get("expert_count", 1)
    if not isinstance(used, int) or not isinstance(count, int):
        return 0
    return _held(model, layers, experts=True) * used // max(1, count)


def _dense(model: Model, layers: int) -> int:
    """Bytes of the first layers beside experts."""
    return _held(model, layers, experts=False)


def _held(model: Model, layers: int, *, experts: bool) -> int:
    return sum(
        group.bytes_each * sum(layer < layers for layer in group.layers)
        for group in model.facts.tensors
        if ("_exps" in group.pattern) is experts
    )


def _quants(model: Model, library: Library) -> Iterator[ModelChange]:
    """The same model in a smaller quantisation that llm.toml has under another name."""
    for other in library.models:
        if (
            not other.is_llama
            or not _same(model, other)
            or other.facts.size_bytes >= model.facts.size_bytes
        ):
            continue
        edits = _source(library, model.name, other.name)
        if edits:
            size = show_size(model.facts.size_bytes - other.facts.size_bytes)
            swapped = replace(model, ref=other.ref, facts=other.facts, path=other.path)
            yield ModelChange(edits, swapped, f"a smaller quant, {size} less to load; quality lost")


def _source(library: Library, mine: str, other: str) -> tuple[tuple[str, str], ...]:
    """What to write for the other's file; nothing where keys would have to be taken out."""
    tables = library.config.models[mine], library.config.models[other]
    one, two = ({key: getattr(table, key) for key in SOURCE_KEYS} for table in tables)
    if any((one[key] is None) != (two[key] is None) for key in SOURCE_KEYS):
        return ()
    return tuple((key, f'"{two[key]}"') for key in SOURCE_KEYS if one[key] != two[key])


def _same(model: Model, other: Model) -> bool:
    shape = ("block_count", "embedding_length", "feed_forward_length", "expert_count")
    one, two = model.facts, other.facts
    return (
        one.architecture == two.architecture
        and one.vocabulary == two.vocabulary
        and all(one.hyperparameters.get(key) == two.hyperparameters.get(key) for key in shape)
    )


def _kept(model: Model, library: Library) -> Iterator[ModelChange]:
    if model.preload and model.keep is Keep.ON_DEMAND:
        later = replace(model, preload=False)
        yield ModelChange((("preload", "false"),), later, "its first request waits for a load")
    if model.pin:
        yield ModelChange((("pin", "false"),), replace(model, pin=False), "it may be evicted")
    if model.keep is Keep.ALWAYS and loader_of(library.config.services).loads:
        loose = replace(model, keep=Keep.ON_DEMAND)
        yield ModelChange((("keep", '"on_demand"'),), loose, "its first request waits for a load")


def _devices(model: Model, library: Library) -> Iterator[ModelChange]:
    if model.options.main_gpu:
        return
    for keys in choices.devices(model, library, {}):
        if keys != model.settings.devices and not library.machine.unified:
            moved = replace(model.settings, devices=keys, tensor_split=())
            text = ", ".join(f'"{key}"' for key in keys)
            changed = _changed(model, moved, replace(model.open, device=False))
            yield ModelChange((("device", f"[{text}]"),), changed, f"on {' and '.join(keys)}")


def _contexts(model: Model, library: Library) -> Iterator[ModelChange]:
    """Smaller and smaller contexts, last of all; what embeds needs one for a whole input."""
    if model.open.ctx_size:
        return
    slots = choices.slots(model.settings)
    what = "of context" if model.role in GENERATES else "tokens for one input"
    sizes = choices.contexts(model)
    # What a model was trained for may be far more than it has now.
    smaller = range(sizes.start, min(sizes.stop, model.settings.ctx_size), sizes.step)
    for size in reversed(smaller):
        settings = choices.with_context(model, library, model.settings, size)
        now, then = (show_count(item // slots) for item in (model.settings.ctx_size, size))
        changed = _changed(model, settings, replace(model.open, ctx_size=False))
        yield ModelChange((("ctx_size", str(size)),), changed, f"{then} instead of {now} {what}")


def closed(model: Model, settings: ServerSettings) -> Model:
    """The model with nothing open, as the planner settled it; shares that follow still follow."""
    if not model.open.tensor_split:
        settings = replace(settings, tensor_split=model.settings.tensor_split)
    return replace(model, settings=settings, open=Open())
