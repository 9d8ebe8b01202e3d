"""What single keys cannot say: rules between the tables of llm.toml that need no facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmgen.config.config import Config
from llmgen.config.editions import EDITIONS
from llmgen.config.tables.base import SECRET_NAME, Secret
from llmgen.config.tables.hosts import AUTO
from llmgen.config.tables.models import GENERATES, ModelSource, ModelTable
from llmgen.engines.loaders import loader_of
from llmgen.engines.registry import ENGINES, USUAL
from llmgen.errors import Diagnostic, Severity
from llmgen.gateway import remotes
from llmgen.gateway.exposure import exposure, loops, low_ports, unnamed
from llmgen.machine import Machine
from llmgen.option_table import CORS_SINCE
from llmgen.options import is_option_variable, key_of_variable
from llmgen.resolve import (
    apps,
    container_findings,
    devices,
    engine_models,
    extra_args,
    litellm_keys,
    names,
    rpc,
    sleepers,
    swap_passthrough,
)
from llmgen.resolve.references import SOURCES, has_source

# Read by ggml-cuda, for HIP too: buffers come from cudaMallocManaged then.
MANAGED_MEMORY = "GGML_CUDA_ENABLE_UNIFIED_MEMORY"


def findings(config: Config, machine: Machine) -> Iterator[Diagnostic]:
    """All that is wrong (errors) or doubtful (warnings) between the tables."""
    yield from names.findings(config)
    yield from exposure(config)
    yield from loops(config)
    yield from unnamed(config)
    yield from remotes.findings(config)
    if machine.os == "linux":
        yield from low_ports(config)
    yield from _versions(config)
    yield from _cors(config)
    yield from engine_models.findings(config, machine)
    yield from devices.findings(config, machine)
    yield from rpc.findings(config, machine)
    yield from _environment(("hardware",), config.hardware.environment or {})
    yield from _environment(("defaults",), config.defaults.environment)
    yield from swap_passthrough.findings(config)
    yield from litellm_keys.findings(config)
    yield from apps.findings(config)
    yield from container_findings.findings(config)
    yield from _unrouted(config)
    yield from sleepers.findings(config)
    yield from _unheard(config)
    yield from _of_the_system(config)
    build = config.llama_cpp.build or EDITIONS[config.edition].build
    for name, table in config.models.items():
        if table.enable:
            if ENGINES.get(table.engine, USUAL).is_llama:
                yield from _source(name, table)
                yield from _arguments(name, table, build)
            yield from _options(name, table)
            yield from _environment(("models", name), table.environment)
            yield from _services(name, table, config)


def _cors(config: Config) -> Iterator[Diagnostic]:
    """A llama-server that does not know the option would not start."""
    build = config.llama_cpp.build or EDITIONS[config.edition].build
    if config.services.cors_origin and build < CORS_SINCE:
        yield Diagnostic(
            "services.no-cors",
            f"llama-server b{build} lets every page call it and has no option for that",
            ("services", "cors_origin"),
            hint=f"`build = {CORS_SINCE}` in [llama_cpp], or `cors_origins` of [gateway.envoy]",
        )


def _versions(config: Config) -> Iterator[Diagnostic]:
    edition = EDITIONS[config.edition]
    aimed = (
        ("llama.cpp build", config.llama_cpp.build, edition.builds, ("llama_cpp", "build")),
        (
            "llama-swap version",
            config.targets.llama_swap.version,
            edition.swap_versions,
            ("targets", "llama_swap", "version"),
        ),
    )
    for what, number, (first, last), key in aimed:
        if number is not None and not first <= number <= last:
            yield Diagnostic(
                "config.untested-version",
                f"{what} {number} is outside what llmgen was tested with: {first} to {last}",
                key,
                hint="`llmgen doctor` compares what is generated with the program on the machine",
                severity=Severity.WARNING,
            )


def _environment(
    place: tuple[str, str] | tuple[str], environment: Mapping[str, str | Secret]
) -> Iterator[Diagnostic]:
    """Options behind the plan's back; plain secrets in files that every user may read."""
    for variable, value in environment.items():
        if is_option_variable(variable):
            key = key_of_variable(variable)
            yield Diagnostic(
                "models.environment-option",
                f"`{variable}` in `environment` is an option of llama-server, unseen by the plan",
                (*place, "environment", variable),
                hint=f"use the key `{key}`" if key else "use a key, or the option in `extra_args`",
            )
        elif variable == MANAGED_MEMORY and value != "0":
            yield Diagnostic(
                "hardware.managed-memory",
                f"with `{variable}` a server spills from a device into host memory instead of "
                "failing, slowly and unseen by the plan",
                (*place, "environment", variable),
                hint="take it out: what the plan puts on a device fits there",
                severity=Severity.WARNING,
            )
        elif isinstance(value, str) and value and SECRET_NAME.search(variable):
            yield Diagnostic(
                "models.secret-in-clear",
                f"`{variable}` looks like a secret, and its value would stand in generated files",
                (*place, "environment", variable),
                hint=f'`{variable} = {{ env = "{variable}" }}`, or {{ file = "PATH" }}',
                severity=Severity.WARNING,
            )


def _unrouted(config: Config) -> Iterator[Diagnostic]:
    """What only a gateway serves: models of other servers, variants beside llama-swap."""
    if config.gateway.envoy.enable or config.gateway.litellm.enable:
        return
    has_swap = _has_swap(config)
    for name, item in config.external.items():
        if not has_swap:
            what = f"`{name}` is a model of another server, and no gateway routes to it"
            yield _nobody_routes(("external", name), what)
        if item.failover:
            what = f"`{name}` has spare servers, and no gateway turns to them"
            yield _nobody_routes(("external", name, "failover"), what)
    hears = loader_of(config.services).hears_models
    for name, table in config.models.items():
        if table.enable and table.replicas:
            what = f"`{name}` has replicas, and no gateway spreads requests over them"
            yield _nobody_routes(("models", name, "replicas"), what)
        if table.enable and table.failover:
            what = f"`{name}` has spare servers, and no gateway turns to them"
            yield _nobody_routes(("models", name, "failover"), what)
        if table.enable and (table.keep == "always" or not hears):
            for variant in table.variants:
                what = f"`{variant}` is a variant of `{name}`, and nothing serves it"
                yield _nobody_routes(("models", name, "variants", variant), what)


def _has_swap(config: Config) -> bool:
    """Whether llama-swap runs, which knows models of other servers as its peers."""
    if not loader_of(config.services).knows_others:
        return False
    usual = EDITIONS[config.edition].keep
    return config.services.llama_swap.always or any(
        table.enable and (table.keep or usual[table.role]) == "on_demand"
        for table in config.models.values()
    )


def _unheard(config: Config) -> Iterator[Diagnostic]:
    """Keys that only llama-swap goes by, on models that it does not serve."""
    loader = loader_of(config.services)
    if loader.loads and not loader.hears_models and config.defaults.ttl:
        yield _no_effect(("defaults", "ttl"), "ttl", "the router's models", config.defaults.ttl)
    for name, table in config.models.items():
        usual = "always" if not loader.loads else EDITIONS[config.edition].keep[table.role]
        always = (table.keep or usual) == "always"
        if not table.enable or (loader.hears_models and not always):
            continue
        who = f"the always-on model `{name}`" if always else f"`{name}` in router mode"
        for key in ("ttl", "concurrency_limit", *(("preload",) if always else ())):
            if getattr(table, key):
                seconds = table.ttl if key == "ttl" else None
                yield _no_effect(("models", name, key), key, who, seconds)


def _of_the_system(config: Config) -> Iterator[Diagnostic]:
    """Keys about the accounts of system units, where a user's own are wanted."""
    own = config.services
    if own.scope == "system":
        return
    for key, is_set in (("users", own.users == "each"), ("operators", own.operators is not None)):
        if is_set:
            yield Diagnostic(
                "services.no-effect",
                f"`{key}` is about units of the system, and these are a user's own",
                ("services", key),
                hint='`scope = "system"` in [services], or leave it out',
                severity=Severity.WARNING,
            )


def _no_effect(key: tuple[str, ...], what: str, who: str, seconds: int | None) -> Diagnostic:
    return Diagnostic(
        "models.no-effect",
        f"`{what}` does nothing for {who}: only llama-swap goes by it",
        key,
        hint=f"`sleep_idle_seconds = {seconds}` frees its weights" if seconds else "leave it out",
        severity=Severity.WARNING,
    )


def _nobody_routes(key: tuple[str, ...], what: str) -> Diagnostic:
    return Diagnostic(
        "gateway.nobody-routes",
        what,
        key,
        hint="write `[gateway.envoy]`, or `enable = true` in [gateway.litellm]",
        severity=Severity.WARNING,
    )


def _source(name: str, table: ModelTable) -> Iterator[Diagnostic]:
    yield from _one_source(("models", name), table, f"`{name}`")
    if table.draft is not None and (
        has_source(table.draft) or table.draft.spec_type != "draft-mtp"
    ):
        yield from _one_source(("models", name, "draft"), table.draft, f"the draft of `{name}`")
    if table.mmproj and table.role not in ("vision", "chat"):
        yield Diagnostic(
            "models.projector-without-vision",
            f"`{name}` has a projector, but its role is {table.role}",
            ("models", name, "mmproj"),
            hint='`role = "vision"`',
        )


def _one_source(key: tuple[str, ...], table: ModelSource, who: str) -> Iterator[Diagnostic]:
    given = [item for item in SOURCES if getattr(table, item) is not None]
    if len(given) != 1:
        found = " and ".join(f"`{item}`" for item in given) or "none"
        yield Diagnostic(
            "models.source",
            f"{who} needs exactly one of `model`, `hf_repo`, `ollama`, `lm_studio`; it has {found}",
            (*key, given[1]) if len(given) > 1 else key,
            hint='`model = "file.gguf"` for a file, `hf_repo` and `quant` for the Hub',
        )
    if given == ["hf_repo"] and table.hf_file is not None and table.quant is not None:
        yield Diagnostic(
            "models.which-file",
            f"{who} has both `hf_file` and `quant`, which name one file each",
            (*key, "quant"),
            hint="remove one of them",
        )
    for item in ("hf_file", "quant", "revision"):
        if len(given) == 1 and given != ["hf_repo"] and getattr(table, item) is not None:
            yield Diagnostic(
                "models.without-repository",
                f"`{item}` of {who} says something about a repository, and there is no `hf_repo`",
                (*key, item),
                hint=f"remove it, or write `hf_repo` instead of `{given[0]}`",
            )


def _arguments(name: str, table: ModelTable, build: int) -> Iterator[Diagnostic]:
    """Free words; a llama-server of the model's own may have options that no build here knows."""
    if table.llama_server is None:
        yield from extra_args.findings(name, table.extra_args, build)
        return
    for item in extra_args.findings(name, table.extra_args, 0):
        if item.severity is Severity.ERROR:
            yield item


def _options(name: str, table: ModelTable) -> Iterator[Diagnostic]:
    for variant, own in table.variants.items():
        if "model" in own.params:
            yield Diagnostic(
                "models.variant-model",
                f"`{variant}` would send requests to another model, and is `{name}` itself",
                ("models", name, "variants", variant, "params", "model"),
                hint="leave `model` out; another file is another [models] table",
            )
    if table.pin and table.keep == "always":
        yield Diagnostic(
            "models.pinned-service",
            f"`{name}` is always on, so `pin` has nothing to do",
            ("models", name, "pin"),
            hint="leave it out",
            severity=Severity.WARNING,
        )
    for key in ("variants", "fallbacks", "context_window_fallbacks"):
        if getattr(table, key) and table.role not in GENERATES:
            yield Diagnostic(
                "models.not-for-role",
                f"`{key}` has no meaning for the {table.role} model `{name}`",
                ("models", name, key),
                hint="remove it",
            )


def _services(name: str, table: ModelTable, config: Config) -> Iterator[Diagnostic]:
    told = (table.host,) if isinstance(table.host, str) else table.host or ()
    for host in told:
        if host not in (config.hardware.host, AUTO):
            yield Diagnostic(
                "models.no-host",
                f"`{name}` is on host `{host}`, [hardware] describes `{config.hardware.host}`",
                ("models", name, "host"),
                hint=f"[hosts.{host}] with its hardware beside those of the other machines",
            )
    if table.keep == "on_demand" and not loader_of(config.services).loads:
        yield Diagnostic(
            "models.nobody-loads",
            f'`{name}` is on demand, but `on_demand = "none"` in [services]',
            ("models", name, "keep"),
            hint='`keep = "always"`, or `on_demand = "llama_swap"`',
        )
