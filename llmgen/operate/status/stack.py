"""What the plan expects to run, and one look at all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from llmgen.config.names import service_name
from llmgen.errors import InputError
from llmgen.gateway.addresses import LOOPBACK
from llmgen.library import Keep
from llmgen.operate.engines.engine import engine
from llmgen.operate.engines.server import Endpoint, local, secret
from llmgen.operate.engines.swap import Loaded
from llmgen.operate.engines.within import reach
from llmgen.operate.site import Site
from llmgen.operate.status import look, memory
from llmgen.operate.status.asking import Asking, observe_ports, unit_name
from llmgen.operate.status.observations import Observed, Process, ServerState, UnitState
from llmgen.operate.status.port_holder import (
    holder,
    told,
)
from llmgen.operate.status.rows import NOT_HTTP, ExpectedService
from llmgen.plan.plan import Plan
from llmgen.plan.process import NEVER_ASKED, health, reached
from llmgen.targets.containers.inside import contained
from llmgen.targets.containers.published_ports import published
from llmgen.targets.rpc import JOINTS
from llmgen.targets.services import Service, services


def expected(plan: Plan, site: Site) -> list[ExpectedService]:
    """Every service of the plan with its unit, its port and its health page."""
    name, inner = unit_name(site), as_run(plan, site)
    if site.runtime == "native":
        return [_expected(inner, item, name(item.name)) for item in services(inner)]
    reached_here = {item.service for item in published(inner)}
    return [
        replace(
            _expected(inner, replace(item, runtimes=(site.program,)), name(item.name)),
            inside=reach(plan.library.config, item.name) if _has_curl(item.name, inner) else (),
            published=item.name in reached_here,
        )
        for item in services(inner)
    ]


def as_run(plan: Plan, site: Site) -> Plan:
    """The plan as the programs see it: in containers paths and addresses are others."""
    if site.runtime == "native" or plan.library.contained is not None:
        return plan
    layout = site.layout
    return contained(plan, layout.compose if site.runtime == "compose" else layout.config)


def _has_curl(service: str, plan: Plan) -> bool:
    """Whether its image has curl, as those of llama.cpp and llama-swap have."""
    models = {service_name(item.name): item.model for item in plan.placements}
    return service in ("swap", "router") or (service in models and models[service].is_llama)


def observe(plan: Plan, asking: Asking, wanted: Sequence[ExpectedService]) -> Observed:
    """Look once at everything that the findings need; only what is this stack's is asked."""
    seen = observe_ports(asking, [item.at for item in wanted])
    ours = [item for item in wanted if holder(item.at, seen).may_be_asked]
    loaded, health = _loaded(plan, wanted, seen)
    listeners = {**look.listeners(map(_port, loaded or ())), **seen.listeners}
    units = {} if seen.another else seen.units
    own = {unit.pid for unit in units.values() if unit.pid}
    # What another stack, or a stranger, has on a port of this one is none of its processes.
    foreign = {item.port for item in wanted} - {item.port for item in ours}
    held = [process for port, process in listeners.items() if port not in foreign]
    processes = {item.pid: item for item in _processes(own, held)}
    gpus = memory.devices() if plan.library.machine.devices else ()
    return replace(
        seen,
        listeners=listeners,
        processes=processes,
        answers=dict(_answers(plan, ours, loaded or (), seen)),
        loaded=loaded,
        engine_health=health,
        devices=gpus,
        device_memory=memory.by_process(processes, gpus),
        host_used=memory.host_used(),
    )


def observe_answers(plan: Plan, asking: Asking, wanted: Sequence[ExpectedService]) -> Observed:
    """Of the same look only who has the ports and what they answer: quick enough to repeat."""
    seen = observe_ports(asking, [item.at for item in wanted])
    ours = [item for item in wanted if holder(item.at, seen).may_be_asked]
    return replace(seen, answers=dict(_answers(plan, ours, (), seen)))


def _expected(plan: Plan, service: Service, unit: str) -> ExpectedService:
    config = plan.library.config
    own, gateway = config.services, config.gateway
    match service.name:
        case "swap":
            at = local(own.llama_swap.listen, own.llama_swap.port)
            return ExpectedService(service, unit, own.llama_swap.port, at.url)
        case "router":
            at = local(own.router.listen, own.router.port)
            return ExpectedService(service, unit, own.router.port, at.url)
        case "envoy":
            admin = f"http://{LOOPBACK}:{gateway.envoy.admin_port}"
            return ExpectedService(service, unit, gateway.envoy.port, admin, "/ready")
        case "litellm":
            at = local(gateway.litellm.listen, gateway.litellm.port)
            return ExpectedService(
                service, unit, gateway.litellm.port, at.url, "/health/liveliness"
            )
        case "open-webui":
            own_page = config.apps.open_webui
            at = local(own_page.listen, own_page.port)
            return ExpectedService(service, unit, own_page.port, at.url, "/health")
        case name if name.startswith(JOINTS):
            return ExpectedService(service, unit, service.port, "", NOT_HTTP)
        case name:
            item = {service_name(item.name): item for item in plan.placements}[name]
            url, page = reached(item.model, item.port), health(item.model)
            return ExpectedService(service, unit, item.port, url, page)


def _answers(
    plan: Plan, wanted: Sequence[ExpectedService], loaded: Sequence[Loaded], seen: Observed
) -> Iterator[tuple[str, ServerState]]:
    inside = {item.service.name: item.inside for item in wanted}
    engine_inside = inside.get("swap") or inside.get("router") or ()
    is_contained = plan.library.config.services.runtime != "native"
    key = secret(plan.library.config.services.api_key, plan.library.config)
    models = {service_name(item.name): item.name for item in plan.placements}
    # llama-swap has asked these itself, and they have no pages of llama-server's.
    others = {item.name for item in plan.placements if not item.model.is_llama}
    for item in wanted:
        model = models.get(item.service.name, "")
        if is_contained and not item.inside:
            answer = _told(seen.units.get(item.unit))
        elif item.health == NOT_HTTP:
            answer = ServerState("ok" if item.port in seen.listeners else "no answer")
        elif item.health == NEVER_ASKED:
            # Any answer is a sign of life.
            said = look.ask(Endpoint(item.url, key, item.inside), "/")
            answer = said if said.health == "no answer" else ServerState("ok")
        else:
            llama = bool(model) and plan.placement(model).model.is_llama
            at = Endpoint(item.url, key, item.inside)
            answer = look.ask(at, item.health, slots=llama)
        yield item.service.name, answer
        if model:
            yield model, answer
    for one in loaded:
        if not one.url or one.state not in ("ready", "loaded"):
            continue
        if one.model in others:
            yield one.model, ServerState("ok")
        else:
            at = Endpoint(one.url, key, engine_inside)
            yield one.model, look.ask(at, "/health", slots=True)


def _told(unit: UnitState | None) -> ServerState:
    """What a container's own check says; without one it only runs or does not."""
    if unit is None or not unit.is_active:
        return ServerState("no answer")
    return ServerState(unit.health or "ok")


def _loaded(
    plan: Plan, wanted: Sequence[ExpectedService], seen: Observed
) -> tuple[tuple[Loaded, ...] | None, str]:
    """What the engine has in memory; None when it does not say."""
    if all(item.keep is Keep.ALWAYS for item in plan.placements):
        return (), ""
    at = next((item.at for item in wanted if item.service.name in ("swap", "router")), None)
    if at is not None and not (found_by := holder(at, seen)).may_be_asked:
        # Nothing of this stack is in it.
        return (), told(at, found_by).message
    try:
        found = engine(plan.library.config)
        return tuple(found.loaded(found.endpoint)), "ok"
    except InputError as error:
        return None, error.diagnostics[0].message


def _port(item: Loaded) -> int:
    port = item.url.rsplit(":", 1)[-1]
    return int(port) if port.isdigit() else 0


def _processes(own: Iterable[int], listening: Iterable[Process | None]) -> Iterator[Process]:
    for pid in own:
        found = look.process(pid)
        if found is not None:
            yield found
            yield from look.children(pid)
    yield from (item for item in listening if item is not None)
