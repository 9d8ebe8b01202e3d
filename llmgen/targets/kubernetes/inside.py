"""Every unit's plan as its containers see it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from llmgen.cluster.cluster import Cluster, PodSet
from llmgen.cluster.copies import is_intercepted, most_copies
from llmgen.errors import Diagnostic, PlanError
from llmgen.layout import Layout
from llmgen.library import Library, Model
from llmgen.plan import process
from llmgen.plan.plan import Placement, Plan
from llmgen.resolve.references import references
from llmgen.targets.containers.container import Container
from llmgen.targets.containers.derive import of_contained
from llmgen.targets.containers.inside import contained, within
from llmgen.targets.containers.refusals import refusals
from llmgen.targets.kubernetes import interceptor
from llmgen.targets.kubernetes.names import FILES


def refuse(cluster: Cluster) -> None:
    """PlanError when something of any plan cannot run in a container."""
    if refused := [_told(item) for unit in cluster.units for item in refusals(unit.plan)]:
        raise PlanError(refused)


def inner(unit: PodSet, cluster: Cluster) -> Plan:
    """The plan with the paths, programs and addresses of its pods."""
    plan = _downloaded(unit, cluster) if cluster.table.llmgen_image is not None else unit.plan
    return _with_templates(contained(plan, FILES))


def _with_templates(plan: Plan) -> Plan:
    """Chat templates among the model files are read there: they are part of the claim."""
    library, around = plan.library, plan.library.contained
    if around is None:
        return plan
    moved = {
        name: str(within(path, around.folders))
        for name, path in around.templates.items()
        if path.is_relative_to(around.host.models)
    }
    models = {item.name: _templated(item, moved) for item in library.models}
    inner = replace(library, models=tuple(models.values()))
    placements = (_placed(item, models[item.name], inner) for item in plan.placements)
    return replace(plan, library=inner, placements=tuple(placements)) if moved else plan


def _templated(model: Model, moved: Mapping[str, str]) -> Model:
    place = moved.get(model.name)
    if place is None:
        return model
    options = model.options.model_copy(update={"chat_template_file": place})
    return replace(model, options=options)


def _placed(item: Placement, model: Model, library: Library) -> Placement:
    argv = process.argv(model, item.settings, library, port=item.port)
    return replace(item, model=model, argv=argv)


def _downloaded(unit: PodSet, cluster: Cluster) -> Plan:
    """The plan in which checkpoints of the Hub that the lock knows are folders of the claim."""
    config, library = unit.config, unit.plan.library
    known = {
        f"{config.naming.prefix}{key[1]}"
        for ref, key in references(config).items()
        if ref.startswith("repo:") and ref in cluster.lock.entries
    }
    models = tuple(
        _from_claim(item, library.layout) if item.name in known else item for item in library.models
    )
    return replace(unit.plan, library=replace(library, models=models))


def _from_claim(model: Model, layout: Layout) -> Model:
    served = model.served
    # Code of a repository is what `llmgen pull` leaves there.
    if served is None or served.get("trust_remote_code"):
        return model
    folder = str(layout.models / served.model)
    return replace(model, served=replace(served, model=folder, revision=""))


def _told(item: Diagnostic) -> Diagnostic:
    """The same of a cluster, where it has another way out."""
    if item.code != "containers.no-metal":
        return item
    return replace(
        item,
        message="Metal is for programs of a Mac itself, and no node of a cluster is one",
        key=("kubernetes", "pools"),
        hint='nodes with other devices: `hardware = { profile = "nvidia-24gb" }` in '
        "[kubernetes.pools.NAME]",
    )


def containers(plan: Plan) -> tuple[Container, ...]:
    """What runs in pods of a plan: one program, or of a gateway each one in pods of its own."""
    return of_contained(plan, checked=False)


def of_gateway(cluster: Cluster, unit: PodSet) -> Plan:
    """The gateway's plan with the always-on servers, reached under the names of their Services."""
    own = inner(unit, cluster)
    placed = tuple(
        _behind(placement, most_copies(cluster, item))
        for item in cluster.serving
        if item.kind == "model"
        for placement in inner(item, cluster).placements
    )
    models = tuple(item.model for item in placed)
    around = own.library.contained
    if around is not None:
        around = replace(around, interceptors=dict(_interceptors(cluster)))
    library = replace(own.library, models=models, contained=around)
    return replace(own, library=library, placements=placed)


def _interceptors(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """What is asked instead of the pods of each model that may have none."""
    for unit in cluster.serving:
        if is_intercepted(cluster, unit):
            for item in unit.plan.placements:
                yield item.name, f"{interceptor.name_of(unit.name)}:{interceptor.PORT}"


def _behind(placement: Placement, copies: int) -> Placement:
    """A server as the gateway knows it: one address, with the slots of all pods behind it."""
    slots = placement.settings.parallel
    if copies == 1 or slots < 1:
        return placement
    return replace(placement, settings=replace(placement.settings, parallel=slots * copies))
