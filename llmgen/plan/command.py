"""From a model's settings to llama-server's options, as words, as variables, as INI lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from llmgen.budget.settings import ServerSettings
from llmgen.config.tables.models import Lora
from llmgen.gateway.addresses import LOOPBACK, listens
from llmgen.layout import expand
from llmgen.library import Keep, Library, Model
from llmgen.option_table import LOAD_MODE_AUTO_SINCE, LOAD_MODE_SINCE, OPTIONS, Option
from llmgen.options import BY_FLAG, ORDER, REPEATED, grouped, in_order, sampler_letters
from llmgen.plan import rpc
from llmgen.server_help import by_spelling
from llmgen.units import MIB, show_number

_VERBOSITY: Final = {"error": "1", "warn": "2", "info": "3", "debug": "5"}

# A switch or toggle is on or off; every other option has its value as the server reads it.
Value: TypeAlias = str | bool
OptionPair: TypeAlias = tuple[str, Value]


class NotInPreset(ValueError):
    """A free word of a command line that a router's preset has no place for."""


class Assignment(Struct, frozen=True):
    """One option with its value."""

    option: Option
    value: Value


def argv(
    model: Model, settings: ServerSettings, library: Library, *, port: int = 0
) -> tuple[str, ...]:
    """The whole command of one server; without a port, the engine adds address and port."""
    found = (*assignments(model, settings, library), *_listen(model, library, port))
    program = model.program or str(library.layout.llama_server)
    return (program, *words(found), *free_words(model, library))


def assignments(model: Model, settings: ServerSettings, library: Library) -> tuple[Assignment, ...]:
    """Every option of one server in the table's order; what moves memory is always there."""
    pairs = (
        *_files(model, settings, library),
        *_memory(settings),
        *_places(model, settings, library),
        *_load_mode(settings.load_mode, library.build),
        *_role(model, settings),
        *_draft(model, settings, library),
        *_options(model, library),
        *_sampling(model),
    )
    found = [Assignment(BY_FLAG[flag], value) for flag, value in pairs]
    return tuple(sorted(found, key=lambda item: ORDER[item.option.flag]))


def free_words(model: Model, library: Library) -> tuple[str, ...]:
    """What stands behind the options that are planned: of [services], then the model's own."""
    return (*service_words(library), *model.extra_args)


def service_words(library: Library) -> tuple[str, ...]:
    """What [services] tells every llama-server and the router."""
    table, found = library.config.services, []
    if table.log_level is not None:
        found += ["--log-verbosity", _VERBOSITY[table.log_level]]
    if table.cors_origin is not None:
        # One alone: a list is sent to browsers as it is, and none of them takes it (b11434).
        found += ["--cors-origins", table.cors_origin]
    return tuple(found)


def words(found: Iterable[Assignment]) -> tuple[str, ...]:
    """The options as words of a command line."""
    return tuple(word for item in found for word in _words(item))


def variables(
    found: Iterable[Assignment], build: int
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """The options as environment variables, and the words for those that have none."""
    named: list[tuple[str, str]] = []
    rest: list[str] = []
    for item in found:
        variable = item.option.variable_of(build)
        if not variable:
            rest += _words(item)
        elif item.option.negative or item.value is not False:
            named.append((variable, _text(item.value)))
    return tuple(named), tuple(rest)


def ini(found: Iterable[Assignment], extra: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """The options as keys and values of the router's INI, free words included.

    NotInPreset names a free word that no preset can hold.
    """
    pairs = [_pair(item) for item in found if item.option.negative or item.value is not False]
    return (*pairs, *_extra_pairs(extra))


def _pair(item: Assignment) -> tuple[str, str]:
    """A `;` would begin a comment, so several samplers are written as their letters."""
    text = _text(item.value)
    if item.option.flag == "--samplers" and ";" in text:
        letters = sampler_letters(text.split(";"))
        return (BY_FLAG["--sampler-seq"].name, letters) if letters else ("samplers", text)
    return item.option.name, text


def _words(item: Assignment) -> tuple[str, ...]:
    match item.value:
        case True:
            return (item.option.flag,)
        case False:
            return item.option.negative[:1]
        case text:
            return (item.option.flag, text)


def _text(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _extra_pairs(extra: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Free words as pairs: the router takes each option once, with one value."""
    pairs: dict[str, tuple[str, str]] = {}
    for word, values in grouped(extra):
        option = by_spelling().get(word)
        name = option.first if option is not None else word
        if len(values) > 1:
            raise NotInPreset(f"`{word}` has {len(values)} values, and a preset holds one")
        if name in pairs and word in REPEATED:
            raise NotInPreset(f"`{word}` stands twice, and a preset holds each option once")
        pairs[name] = (word.lstrip("-"), values[0] if values else "true")
    yield from pairs.values()


def _listen(model: Model, library: Library, port: int) -> Iterator[Assignment]:
    """Within a container of its own a server has to be reached; llama-swap's are beside it."""
    if port:
        alone = model.keep is Keep.ALWAYS
        yield Assignment(BY_FLAG["--host"], listens(library) if alone else LOOPBACK)
        yield Assignment(BY_FLAG["--port"], str(port))


def _files(model: Model, settings: ServerSettings, library: Library) -> Iterator[OptionPair]:
    yield "--model", str(model.path)
    yield "--alias", model.name
    if model.mmproj_path is not None:
        yield "--mmproj", str(model.mmproj_path)
        yield "--mmproj-offload", settings.mmproj_offload
    plain = [_file(item, library) for item in model.lora if item.scale == 1]
    scaled = [
        f"{_file(item, library)}:{show_number(item.scale)}"
        for item in model.lora
        if item.scale != 1
    ]
    if plain:
        yield "--lora", _csv(plain)
    if scaled:
        yield "--lora-scaled", _csv(scaled)


def _file(item: Lora, library: Library) -> str:
    return str(library.layout.model(item.path))


def _csv(items: Iterable[str]) -> str:
    """Join as the server's CSV reader wants it."""
    return ",".join(
        '"' + item.replace('"', '""') + '"' if "," in item or '"' in item else item
        for item in items
    )


def _memory(settings: ServerSettings) -> Iterator[OptionPair]:
    yield "--ctx-size", str(settings.ctx_size)
    yield "--parallel", str(settings.parallel)
    yield "--kv-unified", bool(settings.kv_unified)
    yield "--batch-size", str(settings.batch_size)
    yield "--ubatch-size", str(settings.ubatch_size)
    yield "--flash-attn", settings.flash_attn
    yield "--cache-type-k", settings.cache_type_k
    yield "--cache-type-v", settings.cache_type_v
    yield "--kv-offload", settings.kv_offload
    yield "--swa-full", settings.swa_full
    yield "--cache-ram", _mebibytes(settings.cache_ram_bytes)
    yield "--ctx-checkpoints", str(settings.ctx_checkpoints)
    yield "--fit", "off"


def _mebibytes(size: int) -> str:
    return "-1" if size < 0 else str(size // MIB)


def _places(model: Model, settings: ServerSettings, library: Library) -> Iterator[OptionPair]:
    names = rpc.names(settings, library)
    if endpoints := rpc.endpoints(model.name, settings, library):
        yield "--rpc", ",".join(endpoints)
    yield "--device", _devices(settings.devices, names)
    yield "--n-gpu-layers", _layers(settings.n_gpu_layers)
    mode = model.options.split_mode
    # Rows would be dealt to every card, also to those beside the one that the model is on.
    if mode is not None and (mode != "row" or len(settings.devices) > 1):
        yield "--split-mode", mode
    # `none` was settled by the list of devices, in which --main-gpu would count.
    if model.options.main_gpu is not None and mode != "none":
        yield "--main-gpu", str(model.options.main_gpu)
    if settings.tensor_split:
        yield "--tensor-split", ",".join(show_number(share) for share in settings.tensor_split)
    moved, experts = in_order(settings.override_tensor, settings.n_cpu_moe)
    if experts:
        yield "--n-cpu-moe", str(experts)
    if moved:
        yield (
            "--override-tensor",
            ",".join(f"{pattern}={names.get(buffer, buffer)}" for pattern, buffer in moved),
        )


def _devices(keys: Sequence[str], names: Mapping[str, str]) -> str:
    # Without a list the server takes every device that it finds, also those nobody planned with.
    return ",".join(names[key] for key in keys) or "none"


def _layers(count: int) -> str:
    return "all" if count < 0 else str(count)


def _load_mode(mode: str, build: int) -> tuple[OptionPair, ...]:
    if build >= LOAD_MODE_SINCE:
        known = mode != "auto" or build >= LOAD_MODE_AUTO_SINCE
        return (("--load-mode", mode),) if known else ()
    older: dict[str, tuple[OptionPair, ...]] = {
        "auto": (),
        "mmap": (("--mmap", True),),
        "none": (("--mmap", False),),
        "mlock": (("--mmap", False), ("--mlock", True)),
        "mmap+mlock": (("--mmap", True), ("--mlock", True)),
        "dio": (("--direct-io", True),),
    }
    return older[mode]


def _role(model: Model, settings: ServerSettings) -> Iterator[OptionPair]:
    if model.role == "rerank":
        # --reranking sets the pooling too.
        yield "--reranking", True
        return
    if settings.embedding:
        yield "--embedding", True
    if settings.pooling:
        yield "--pooling", settings.pooling
    if model.options.embd_normalize is not None:
        yield "--embd-normalize", str(model.options.embd_normalize)


def _draft(model: Model, settings: ServerSettings, library: Library) -> Iterator[OptionPair]:
    draft = settings.draft
    if draft is None:
        return
    names = rpc.names(settings, library)
    yield "--spec-type", draft.spec_type
    yield "--spec-draft-n-max", str(draft.n_max)
    if model.spec_draft_n_min is not None:
        yield "--spec-draft-n-min", str(model.spec_draft_n_min)
    yield "--spec-draft-type-k", draft.cache_type_k
    yield "--spec-draft-type-v", draft.cache_type_v
    if model.draft_path is not None:
        yield "--spec-draft-model", str(model.draft_path)
        yield "--spec-draft-ngl", _layers(draft.n_gpu_layers)
    if draft.devices or model.draft_path is not None:
        # Where nothing is said, older builds (b9464) take every device, not the model's own.
        yield "--spec-draft-device", _devices(draft.devices or settings.devices, names)


# Options that are written as they stand, when they are set: (key of llm.toml, flag).
_PLAIN: Final = {
    "threads": "--threads",
    "threads_batch": "--threads-batch",
    "rope_scaling": "--rope-scaling",
    "rope_scale": "--rope-scale",
    "rope_freq_base": "--rope-freq-base",
    "rope_freq_scale": "--rope-freq-scale",
    "yarn_orig_ctx": "--yarn-orig-ctx",
    "n_predict": "--n-predict",
    "cache_reuse": "--cache-reuse",
    "context_shift": "--context-shift",
    "jinja": "--jinja",
    "chat_template": "--chat-template",
    "reasoning_format": "--reasoning-format",
    "reasoning_budget": "--reasoning-budget",
    "metrics": "--metrics",
    "slots": "--slots",
    "sleep_idle_seconds": "--sleep-idle-seconds",
}


def _options(model: Model, library: Library) -> Iterator[OptionPair]:
    for key, flag in _PLAIN.items():
        value = getattr(model.options, key)
        if value is not None:
            yield flag, _plain(value)
    if model.options.chat_template_file is not None:
        layout = library.layout
        file = expand(model.options.chat_template_file, layout.home, ("paths", "home"))
        yield "--chat-template-file", str(layout.config / file)
    if model.options.chat_template_kwargs is not None:
        kwargs = json.dumps(model.options.chat_template_kwargs, separators=(",", ":"))
        yield "--chat-template-kwargs", kwargs


# Keys of [models.NAME.sampling] with their flags.
_SAMPLING: Final = {
    option.key.removeprefix("sampling."): option.flag
    for option in OPTIONS
    if option.key.startswith("sampling.")
}


def _sampling(model: Model) -> Iterator[OptionPair]:
    for key, flag in _SAMPLING.items():
        value = getattr(model.sampling, key)
        if isinstance(value, tuple):
            yield flag, ";".join(value)
        elif value is not None:
            yield flag, _plain(value)


def _plain(value: bool | float | str) -> Value:
    match value:
        case bool() | str():
            return value
        case _:
            return show_number(value)
