"""What runs: every program of the enabled stack with its command, environment, order and limits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final, Literal

from msgspec import Struct

from llmgen.config.names import service_name
from llmgen.config.tables.base import Secret
from llmgen.engines.loaders import LLAMA_SWAP, ROUTER
from llmgen.gateway import command as gateways
from llmgen.gateway.addresses import bare, in_url, listens, loopback
from llmgen.gateway.remotes import spares
from llmgen.layout import Layout
from llmgen.library import Keep, Library
from llmgen.plan.command import service_words
from llmgen.plan.plan import Placement, Plan
from llmgen.plan.slack import PROCESS_SLACK, SWAP_SLACK
from llmgen.targets import llama_server, llama_swap, open_webui, rpc, swap_peers
from llmgen.targets.clients import clients_of
from llmgen.targets.secrets import carried, of_models, plain, secret, shared_environment

# Starts in a row after which a service stays failed.
TRIES: Final = 5


class Service(Struct, frozen=True):
    """One long-running program; ``name`` is its unit without ``llmgen-`` and suffix.

    ``secrets`` are the variables that the program finds in its environment, each with the place
    of its value; ``read_before`` are those that the commands of ``keys`` look up themselves.
    ``made_file`` is an environment file that they write. ``checks`` are the program's own commands
    that have to succeed before it starts. ``memory_bytes`` 0 is no limit.
    ``locks_memory`` asks for mlock(); ``gate`` is the model whose memory has to be free before.
    ``local`` programs have nothing to say to other machines. ``runtimes`` are the programs that it
    asks for containers, which need more of the machine than it does itself.
    ``port`` is what it listens on. ``reads_home`` is for what looks into its user's home.
    ``restarts`` says after which ends it is started again, and
    ``tries`` how often in a row, 0 without end.
    """

    name: str
    summary: str
    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    environment_file: PurePosixPath | None = None
    made_file: PurePosixPath | None = None
    secrets: tuple[tuple[str, Secret], ...] = ()
    read_before: tuple[Secret, ...] = ()
    checks: tuple[tuple[str, ...], ...] = ()
    keys: tuple[tuple[str, ...], ...] = ()
    stop: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    start_seconds: int = 90
    stop_seconds: int = 30
    memory_bytes: int = 0
    gpu: bool = False
    locks_memory: bool = False
    gate: str = ""
    local: bool = False
    runtimes: tuple[str, ...] = ()
    port: int = 0
    reads_home: bool = False
    restarts: Literal["on-failure", "always"] = "on-failure"
    tries: int = TRIES

    @property
    def before(self) -> tuple[tuple[str, ...], ...]:
        """Every command that has to succeed before the start."""
        return (*self.checks, *self.keys)


def services(plan: Plan) -> tuple[Service, ...]:
    """The enabled programs in start order: always-on models, their engine, the gateways.

    What joins this machine with others comes first.
    """
    joints = (*rpc.servers(plan.library), *rpc.tunnels(plan))
    models = tuple(_server(item, plan) for item in plan.placements if item.keep is Keep.ALWAYS)
    engine = tuple(_engine(plan))
    backends = tuple(item.name for item in (*models, *engine))
    fronts = tuple(_gateways(plan.library, backends))
    behind = tuple(item.name for item in fronts) or backends
    return (*joints, *models, *engine, *fronts, *_page(plan, behind))


def guard(layout: Layout, *words: str) -> tuple[str, ...]:
    """The command of [guard]: the timer's check, or with more words the gate of one model."""
    return (str(layout.llmgen), "-c", str(layout.config / "llm.toml"), "guard", *words)


def demand(plan: Plan) -> tuple[Placement, ...]:
    """The models that the engine loads."""
    return tuple(item for item in plan.placements if item.keep is Keep.ON_DEMAND)


def _server(item: Placement, plan: Plan) -> Service:
    library, model = plan.library, item.model
    table = library.config.services
    variable = model.engine.key_variable
    key = ((variable, table.api_key),) if table.api_key and variable else ()
    if not model.is_plain:
        return _other(item, plan, key)
    return Service(
        name=service_name(item.name),
        summary=f"llama-server: {item.model.title}",
        argv=llama_server.command(item, library),
        environment=llama_server.environment(item, library),
        environment_file=library.layout.config / llama_server.conf_path(item.name),
        secrets=(*key, *secret(item.model.environment)),
        stop_seconds=table.stop_timeout,
        memory_bytes=_limit(plan, item.estimate.on("host") + PROCESS_SLACK),
        gpu=bool(library.machine.devices),
        locks_memory="mlock" in item.settings.load_mode,
        gate=item.name,
        local=_is_local(item, library),
        after=rpc.before((item,), library),
        tries=_tries((item,), library),
        port=item.port or 0,
    )


def _other(item: Placement, plan: Plan, key: tuple[tuple[str, Secret], ...]) -> Service:
    """A server of another engine, or in a container: all that it needs stands in its command."""
    model, table = item.model, plan.library.config.services
    return Service(
        name=service_name(item.name),
        summary=f"{model.engine.name}: {model.title}",
        argv=item.argv,
        environment=plain(model.environment),
        secrets=(*key, *secret(model.environment)),
        stop=item.stop,
        start_seconds=max(90, model.engine.start_seconds),
        stop_seconds=table.stop_timeout + (10 if item.stop else 0),
        memory_bytes=_limit(plan, _host(item) + PROCESS_SLACK),
        gpu=bool(plan.library.machine.devices),
        gate=item.name,
        runtimes=_runtimes((item,)),
        port=item.port or 0,
    )


def _engine(plan: Plan) -> Iterator[Service]:
    if plan.loader is LLAMA_SWAP:
        yield _swap(plan, demand(plan))
    if plan.loader is ROUTER:
        yield _router(plan, demand(plan))


def _swap(plan: Plan, models: tuple[Placement, ...]) -> Service:
    library, table = plan.library, plan.library.config.services.llama_swap
    own = (*table.api_keys, *_api_key(library))
    theirs = (item for _, item in of_models(item.model for item in models))
    config = library.layout.config / llama_swap.NAME / "config.yaml"
    watch = ("-watch-config",) if table.watch_config else ()
    listen = f"{in_url(listens(library, table.listen))}:{table.port}"
    return Service(
        name="swap",
        summary="llama-swap: on-demand models",
        argv=(str(library.layout.llama_swap), "-config", str(config), "-listen", listen, *watch),
        secrets=carried((*own, *theirs, *swap_peers.secrets(library))),
        # llama-swap gives its servers 30 s and itself 35 s (llama-swap v250, exit on SIGTERM).
        stop_seconds=40,
        memory_bytes=_engine_limit(plan, models),
        gpu=bool(library.machine.devices),
        locks_memory=any("mlock" in item.settings.load_mode for item in models),
        local=loopback(table.listen)
        and all(_is_local(item, library) for item in models)
        and not swap_peers.leaves(library),
        after=rpc.before(models, library),
        runtimes=_runtimes(models),
        port=table.port,
    )


def _router(plan: Plan, models: tuple[Placement, ...]) -> Service:
    library, table = plan.library, plan.library.config.services.router
    engine = plan.engines.get(library.machine.host)
    idle, shared = table.sleep_idle_seconds, shared_environment(item.model for item in models)
    key = (("LLAMA_API_KEY", table.api_keys[0]),) if table.api_keys else ()
    return Service(
        name="router",
        summary="llama-server in router mode: on-demand models",
        argv=(
            str(library.layout.llama_server),
            *("--models-preset", str(llama_server.models_ini_path(library.layout))),
            *("--models-max", str(getattr(engine, "models_max", 1))),
            *("--host", bare(listens(library, table.listen)), "--port", str(table.port)),
            *(("--sleep-idle-seconds", str(idle)) if idle is not None else ()),
            *service_words(library),
        ),
        # Without a folder of its own the router also lists what is in the user's model cache.
        environment=(*shared.plain, ("LLAMA_CACHE", str(library.layout.state / "router"))),
        secrets=(*key, *shared.secret),
        stop_seconds=library.config.services.stop_timeout + 5,
        memory_bytes=_engine_limit(plan, models),
        gpu=bool(library.machine.devices),
        locks_memory=any("mlock" in item.settings.load_mode for item in models),
        local=loopback(table.listen) and all(_is_local(item, library) for item in models),
        after=rpc.before(models, library),
        port=table.port,
    )


def _host(item: Placement) -> int:
    """Host memory within the service; what runs in a container is in the runtime's own group."""
    return 0 if item.model.container else item.estimate.on("host")


def _runtimes(items: tuple[Placement, ...]) -> tuple[str, ...]:
    """What starts the containers of these models."""
    return tuple(sorted({item.model.container.runtime for item in items if item.model.container}))


def _is_local(item: Placement, library: Library) -> bool:
    """Whether a server serves loopback alone: one that sees pictures fetches them by address."""
    plain = item.model.is_plain and item.model.mmproj is None and not item.model.extra_args
    return plain and all(
        library.config.rpc.borrow[name].link == "tunnel" for name in rpc.lenders(item, library)
    )


def _tries(items: tuple[Placement, ...], library: Library) -> int:
    """A server whose devices are another machine's is started until that machine is there."""
    waits = any(rpc.lenders(item, library) for item in items)
    return 0 if waits else TRIES


def _api_key(library: Library) -> tuple[Secret, ...]:
    key = library.config.services.api_key
    return (key,) if key else ()


def _engine_limit(plan: Plan, models: tuple[Placement, ...]) -> int:
    """The most host memory of any state that the engine can reach, with each server's slack."""
    host = {item.name: _host(item) + PROCESS_SLACK for item in models}
    states = [[name for name in state.models if name in host] for state in plan.states]
    sums = [sum(host[name] for name in names) for names in states]
    return _limit(plan, max([*sums, *host.values()], default=0) + SWAP_SLACK)


def _gateway_secrets(library: Library) -> tuple[Secret, ...]:
    """Everything that a gateway may need: its clients' keys and its backends' keys."""
    config = library.config
    envoy, litellm, table = config.gateway.envoy, config.gateway.litellm, config.services
    return (
        *(item.secret for item in envoy.api_keys),
        *((litellm.master_key,) if litellm.master_key else ()),
        *((table.api_key,) if table.api_key else ()),
        *table.llama_swap.api_keys,
        *table.router.api_keys,
        *(item.api_key for item in spares(library.config) if item.api_key),
    )


def _limit(plan: Plan, size: int) -> int:
    return size if plan.library.config.services.memory_max else 0


def _gateways(library: Library, backends: tuple[str, ...]) -> Iterator[Service]:
    layout, table = library.layout, library.config.gateway
    if table.envoy.enable:
        yield Service(
            name="envoy",
            summary="Envoy: gateway",
            argv=gateways.envoy(layout, table.envoy),
            checks=gateways.envoy_checks(layout),
            keys=(gateways.keys(library, "envoy"),),
            read_before=_gateway_secrets(library),
            stop=gateways.envoy_stop(layout),
            after=backends,
            stop_seconds=gateways.DRAIN_SECONDS + 10,
            port=table.envoy.port,
        )
    if table.litellm.enable:
        yield Service(
            name="litellm",
            summary="LiteLLM: gateway",
            argv=gateways.litellm(layout, table.litellm, listens(library, table.litellm.listen)),
            environment=gateways.litellm_environment(table.litellm),
            made_file=PurePosixPath(gateways.litellm_environment_file(layout)),
            keys=(gateways.keys(library, "litellm"),),
            read_before=_gateway_secrets(library),
            after=backends,
            memory_bytes=table.litellm.memory * table.litellm.workers * 2
            if library.config.services.memory_max
            else 0,
            port=table.litellm.port,
        )


def _page(plan: Plan, behind: tuple[str, ...]) -> Iterator[Service]:
    """Open WebUI, after what it asks."""
    library, table = plan.library, plan.library.config.apps.open_webui
    clients = clients_of(plan) if table.enable else None
    if clients is None:
        return
    told = [*open_webui.settings(clients)]
    key, state = table.api_key, library.layout.state / open_webui.NAME
    yield Service(
        name=open_webui.NAME,
        summary="Open WebUI: chat page",
        argv=(
            *(str(library.layout.open_webui), "serve"),
            *("--host", bare(listens(library, table.listen)), "--port", str(table.port)),
        ),
        environment=(
            *((item.name, item.value) for item in told if not item.keys),
            *((item.name, item.key(open_webui.NO_KEY)) for item in told if item.keys and not key),
            ("DATA_DIR", str(state)),
        ),
        secrets=(
            *((item.name, key) for item in told if item.keys and key),
            *(((open_webui.SECRET_KEY, table.secret_key),) if table.secret_key else ()),
        ),
        after=behind,
        start_seconds=open_webui.START_SECONDS,
        memory_bytes=_limit(plan, 2 * table.memory),
        port=table.port,
    )
