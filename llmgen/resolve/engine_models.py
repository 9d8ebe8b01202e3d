"""Models of other engines than llama-server: what their engine is told, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from llmgen.config.config import Config
from llmgen.config.editions import EDITIONS
from llmgen.config.tables.models import ModelTable, ServerOptions
from llmgen.engines.base import Engine, Served
from llmgen.engines.command import macros, readable, split
from llmgen.engines.container import ContainerTable, container_name
from llmgen.engines.loaders import loader_of
from llmgen.engines.memory import ALL, HOST, Stated, Unfit
from llmgen.engines.registry import ENGINES
from llmgen.errors import Diagnostic, Severity
from llmgen.layout import Layout, expand
from llmgen.library import Model
from llmgen.machine import Machine

# Keys that every model has, whatever serves it.
COMMON: Final = frozenset(
    {
        "engine", "container", "role", "enable", "title", "description", "notes", "scores", "host",
        "hosts", "pool", "nodes", "aliases",
        "default", "keep", "pin", "preload", "priority", "ttl", "unlisted", "concurrency_limit",
        "llama_swap", "port", "environment", "variants", "fallbacks", "context_window_fallbacks",
        "replicas", "failover",
    }
)  # fmt: skip
# Where two engines call the same thing differently.
_CALLED: Final = (
    ("ctx_size", "max_model_len", "context_length"),
    ("parallel", "max_num_seqs", "max_running_requests", "max_concurrent_requests"),
    ("gpu_memory_utilization", "mem_fraction_static"),
    ("tensor_parallel_size", "tp_size"),
    ("cache_type_k", "kv_cache_dtype"),
    ("chat_template", "tool_call_parser"),
)
# The variable by which programs of a vendor see some devices alone; without a value none.
_VISIBLE: Final = {
    "cuda": "CUDA_VISIBLE_DEVICES",
    "rocm": "HIP_VISIBLE_DEVICES",
    "vulkan": "GGML_VK_VISIBLE_DEVICES",
}


def knows(engine: Engine, key: str) -> bool:
    """Whether an engine knows a key of [models.NAME]."""
    return key in COMMON | engine.keys or (engine.is_llama and key in ServerOptions.model_fields)


def enabled(config: Config) -> int:
    """How many models are served."""
    return sum(table.enable for table in config.models.values())


def served(name: str, table: ModelTable, engine: Engine, layout: Layout, *, alone: bool) -> Served:
    """The model as its engine sees it; alone on a machine it may have all that models may use."""
    own = {key: getattr(table, key) for key in table.model_fields_set if key in engine.keys}
    stated: Stated = table.memory
    if stated is None and alone:
        stated = ALL
    variants = (item for key, variant in table.variants.items() for item in (key, *variant.aliases))
    return Served(
        name=name,
        names=(name, *table.aliases, *variants),
        role=table.role,
        serves=table.serves or (table.role,),
        program=_program(table, engine, layout),
        model=table.hf_repo or (str(layout.model(table.model)) if table.model else ""),
        revision=table.revision or "",
        devices=table.device if isinstance(table.device, tuple) else (),
        keys=own,
        files={key: str(layout.model(own[key])) for key in engine.files if key in own},
        extra_args=table.extra_args,
        memory=stated,
    )


def _program(table: ModelTable, engine: Engine, layout: Layout) -> str:
    """The program on the machine, or within the model's container."""
    if table.program is not None:
        in_container = table.container is not None
        return table.program if in_container else str(expand(table.program, layout.home, _HOME))
    if table.container is not None:
        return engine.container_program
    return layout.program(engine.name, engine.program) if engine.program else ""


_HOME: Final = ("paths", "home")


def shown(
    engine: Engine, container: ContainerTable | None, used: tuple[str, ...], machine: Machine
) -> Mapping[str, str]:
    """The variable that hides other devices; a container is given its own alone."""
    every = tuple(device.key for device in machine.devices)
    variable = _VISIBLE.get(machine.backend)
    if container or not engine.picks_devices or variable is None or used == every:
        return {}
    return {variable: ",".join(str(every.index(key)) for key in used)}


def findings(config: Config, machine: Machine) -> Iterator[Diagnostic]:
    """Engines, keys, roles, commands and memory that cannot be."""
    yield from _container_names(config)
    for name, table in config.models.items():
        if not table.enable:
            continue
        engine = ENGINES.get(table.engine)
        if engine is None:
            yield _unknown(name, table.engine)
            continue
        yield from _keys(name, table, engine)
        yield from _roles(name, table, engine)
        yield from _memory(name, table, machine)
        yield from _container(name, table, machine)
        if not engine.is_llama:
            yield from _source(name, table, engine)
            yield from _command(name, table, engine)
            yield from _loaded(name, table, engine, config)


def _unknown(name: str, text: str) -> Diagnostic:
    near = get_close_matches(text, ENGINES, 1)
    return Diagnostic(
        "models.unknown-engine",
        f"`{text}` is no engine that llmgen knows",
        ("models", name, "engine"),
        hint=f"did you mean `{near[0]}`?"
        if near
        else '`engine = "command"` runs any program; the others are '
        + ", ".join(key for key in ENGINES if key != "command"),
    )


def _keys(name: str, table: ModelTable, engine: Engine) -> Iterator[Diagnostic]:
    for key in sorted(table.model_fields_set):
        if knows(engine, key):
            continue
        owners = [item.name for item in ENGINES.values() if knows(item, key)]
        yield Diagnostic(
            "models.other-engine",
            f"`{key}` is a key of {_listed(owners)}, and `{name}` runs on {engine.name}",
            ("models", name, key),
            hint=_instead(key, engine) or f'leave it out, or `engine = "{owners[0]}"`',
        )


def _listed(names: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _instead(key: str, engine: Engine) -> str:
    for group in _CALLED:
        if key in group:
            own = next((item for item in group if knows(engine, item)), "")
            return f"{engine.name} calls it `{own}`" if own else ""
    if key == "extra_args":
        return "write all words into `cmd`"
    return ""


def _roles(name: str, table: ModelTable, engine: Engine) -> Iterator[Diagnostic]:
    told = table.serves or ()
    if table.role not in engine.roles:
        others = [item.name for item in ENGINES.values() if table.role in item.roles]
        yield Diagnostic(
            "models.role-of-engine",
            f"{engine.name} does not serve {table.role}, which is the role of `{name}`",
            ("models", name, "role"),
            hint=f"{_listed(others)} can; {engine.name} serves {_listed(engine.roles)}",
        )
    elif told and table.role not in told:
        yield Diagnostic(
            "models.role-not-served",
            f"the role of `{name}` is {table.role}, and it `serves` {', '.join(told)}",
            ("models", name, "role"),
            hint=f'leave `role` out, or add "{table.role}" to `serves`',
        )


def _memory(name: str, table: ModelTable, machine: Machine) -> Iterator[Diagnostic]:
    known = (HOST, *(device.key for device in machine.devices))
    asked = [*table.memory] if isinstance(table.memory, dict) else []
    for place, key in enumerate(asked):
        found = machine.key_of(key)
        if found and found in map(machine.key_of, asked[:place]):
            yield Diagnostic(
                "models.memory-device",
                f"`{name}` takes memory of `{key}` twice",
                ("models", name, "memory", key),
                hint="each device once, by either of its names",
            )
        elif key != HOST and not found:
            yield Diagnostic(
                "models.memory-device",
                f"`{name}` takes memory of `{key}`, which {machine.host} does not have",
                ("models", name, "memory", key),
                hint=f"memory is that of {', '.join(known)}",
            )


def _container(name: str, table: ModelTable, machine: Machine) -> Iterator[Diagnostic]:
    if table.container is not None and machine.backend == "metal":
        yield Diagnostic(
            "models.container-without-gpu",
            f"`{name}` would run in a container, where macOS shows no GPU",
            ("models", name, "container"),
            hint="run the program itself: leave `container` out",
        )


def _container_names(config: Config) -> Iterator[Diagnostic]:
    owners: dict[str, str] = {}
    for name, table in config.models.items():
        if not table.enable or table.container is None:
            continue
        called = container_name(name)
        if called in owners:
            yield Diagnostic(
                "models.container-name",
                f"the containers of `{owners[called]}` and of `{name}` would both be `{called}`",
                ("models", name),
                hint="rename one of the two models",
            )
        owners[called] = name


def _source(name: str, table: ModelTable, engine: Engine) -> Iterator[Diagnostic]:
    known = [key for key in ("model", "hf_repo") if key in engine.keys]
    given = [key for key in ("model", "hf_repo") if getattr(table, key) is not None]
    others = any(getattr(table, key) is not None for key in engine.other_sources)
    if len(given) > 1 or (engine.needs_source and not given and not others):
        yield Diagnostic(
            "models.source",
            f"`{name}` needs {_sources(known, engine.other_sources)}",
            ("models", name, given[1]) if len(given) > 1 else ("models", name),
            hint="`model` is a file or folder below [paths] models"
            + (", `hf_repo` a repository of the Hub" if len(known) > 1 else ""),
        )


def _sources(known: Sequence[str], others: Sequence[str]) -> str:
    if len(known) > 1:
        return f"exactly one of {' and '.join(f'`{key}`' for key in known)}"
    return " or ".join(f"a `{key}`" for key in (*known, *others))


def _command(name: str, table: ModelTable, engine: Engine) -> Iterator[Diagnostic]:
    if "cmd" not in engine.keys:
        return
    if table.cmd is None and table.container is None:
        yield Diagnostic(
            "models.no-command",
            f"nobody says which program `{name}` is",
            ("models", name),
            hint='`cmd = ["/usr/local/bin/server", "--port", "${PORT}"]`',
        )
    for key in ("cmd", "cmd_stop"):
        text = getattr(table, key)
        if text is not None:
            yield from _words(name, key, text)


def _words(name: str, key: str, text: str | tuple[str, ...]) -> Iterator[Diagnostic]:
    place = ("models", name, key)
    try:
        found = split(text)
    except ValueError as error:
        yield Diagnostic(
            "models.command-quotes",
            f"`{key}` of `{name}` cannot be split into words: {str(error).lower()}",
            place,
            hint="write a list of words, which needs no quotes within",
        )
        return
    if not found or not found[0].strip():
        yield Diagnostic(
            "models.command-empty",
            f"`{key}` of `{name}` names no program",
            place,
            hint="its first word is the program",
        )


def _loaded(name: str, table: ModelTable, engine: Engine, config: Config) -> Iterator[Diagnostic]:
    """Who starts it: the router starts llama-server alone, services know fewer macros."""
    usual = EDITIONS[config.edition].keep[table.role]
    loader = loader_of(config.services)
    always = not loader.loads or (table.keep or usual) == "always"
    if not always and not loader.starts_any:
        yield Diagnostic(
            "models.router-engine",
            f"router mode starts llama-server alone, and `{name}` runs on {engine.name}",
            ("models", name, "engine"),
            hint='`keep = "always"`, or `on_demand = "llama_swap"` in [services]',
        )
    if config.services.api_key is not None and not engine.key_variable:
        yield Diagnostic(
            "services.key-unasked",
            f"`{name}` asks nobody for the `api_key` of [services], which {engine.name} cannot",
            ("models", name, "engine"),
            hint="it listens on loopback alone; `environment` hands a key to what takes one",
            severity=Severity.WARNING,
        )
    for key in ("cmd", "cmd_stop") if always else ():
        for macro in dict.fromkeys(macros(readable(getattr(table, key)))):
            if macro not in ("PORT", "MODEL_ID"):
                yield Diagnostic(
                    "models.macro",
                    f"`${{{macro}}}` in `{key}` of `{name}` is llama-swap's, "
                    "and a service starts it",
                    ("models", name, key),
                    hint="leave `cmd_stop` out: the process gets a signal"
                    if key == "cmd_stop"
                    else 'write it out, or `keep = "on_demand"`',
                )


def claimed(model: Model, machine: Machine) -> Iterator[Diagnostic]:
    """Memory that nobody states, or that the engine cannot work with."""
    if model.served is None:
        return
    try:
        model.engine.claims(model.served, machine.room())
    except Unfit as unfit:
        yield unfit_finding(model, unfit)


def unfit_finding(model: Model, unfit: Unfit) -> Diagnostic:
    """What an engine refuses, at its key."""
    return Diagnostic(
        unfit.code,
        f"`{model.name}`: {unfit.message}",
        ("models", model.name, *unfit.key),
        hint=unfit.hint,
    )
