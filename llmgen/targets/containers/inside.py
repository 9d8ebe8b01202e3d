"""The same plan as the containers see it: paths, programs and addresses within."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from llmgen.building.image import image_of
from llmgen.config.names import file_name
from llmgen.config.tables.gateway import External
from llmgen.config.tables.models import Lora
from llmgen.config.tables.spares import Spare
from llmgen.engines.container import MODELS
from llmgen.gateway.addresses import in_url, loopback
from llmgen.gateway.remotes import servers
from llmgen.layout import CONFIG, RUNTIME, STATE, Layout, expand
from llmgen.library import Contained, Library, Model
from llmgen.plan import process
from llmgen.plan.plan import Placement, Plan

# Other folders with model files than that of [paths] models.
_OTHERS: Final = PurePosixPath("/mnt")
# The machine itself as docker and podman call it within (podman knows docker's word as well).
MACHINE: Final = "host.docker.internal"


def contained(plan: Plan, files: PurePosixPath) -> Plan:
    """The plan in which every path, program and address is the containers' own.

    ``files`` is the folder on the machine with the configuration of each service.
    """
    library = plan.library
    folders = dict(_folders(library))
    images = {item.name: item.container for item in library.models if item.container is not None}
    templates = {
        item.name: path
        for item in library.models
        if (path := template(item, library.layout)) is not None
    }
    inner = replace(
        library,
        layout=_layout(library),
        contained=Contained(library.layout, files, folders, images, templates),
        models=tuple(_model(item, library, folders) for item in library.models),
        external={name: _external(item) for name, item in library.external.items()},
    )
    models = {item.name: item for item in inner.models}
    placements = tuple(_placed(item, models[item.name], inner) for item in plan.placements)
    return replace(plan, library=inner, placements=placements)


def within(path: PurePosixPath, folders: Mapping[PurePosixPath, PurePosixPath]) -> PurePosixPath:
    """Where a file of the machine is within; where no folder has it, at the same place."""
    for folder, place in folders.items():
        if path.is_relative_to(folder):
            return place / path.relative_to(folder)
    return path


def template(model: Model, layout: Layout) -> PurePosixPath | None:
    """The file of the model's chat template on the machine."""
    told = model.options.chat_template_file
    return layout.config / expand(told, layout.home, ("paths", "home")) if told else None


def files(model: Model, layout: Layout) -> Iterator[PurePosixPath]:
    """Every file of the machine that the model's server opens, but for its template."""
    if model.served is not None:
        own = model.served.model
        yield from map(PurePosixPath, ((own,) if own.startswith("/") else ()))
        yield from map(PurePosixPath, model.served.files.values())
        return
    yield from (path for path in (model.path, model.mmproj_path, model.draft_path) if path)
    yield from (layout.model(item.path) for item in model.lora)


def _layout(library: Library) -> Layout:
    programs = {
        **image_of(library, "llama_swap").programs,
        **image_of(library, "llama_server").programs,
        **image_of(library, "envoy").programs,
        **image_of(library, "litellm").programs,
        **image_of(library, "open_webui").programs,
    }
    return replace(
        library.layout,
        models=PurePosixPath(MODELS),
        config=PurePosixPath(CONFIG[0]),
        state=PurePosixPath(STATE[0]),
        runtime=PurePosixPath(RUNTIME[0]),
        **{name: PurePosixPath(path) for name, path in programs.items()},
    )


def _folders(library: Library) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """The folders with model files, and where they are within."""
    layout = library.layout
    yield layout.models, PurePosixPath(MODELS)
    found = (file for model in library.models for file in files(model, layout))
    elsewhere = dict.fromkeys(
        file.parent for file in found if not file.is_relative_to(layout.models)
    )
    for number, folder in enumerate(elsewhere):
        yield folder, _OTHERS / str(number)


def _model(model: Model, library: Library, folders: Mapping[PurePosixPath, PurePosixPath]) -> Model:
    """The model with the paths and the program of its container."""

    def seen(path: PurePosixPath | None) -> PurePosixPath | None:
        return within(path, folders) if path is not None else None

    layout, container, served = library.layout, model.container, model.served
    if served is not None:
        told = served.model
        served = replace(
            served,
            model=str(seen(PurePosixPath(told))) if told.startswith("/") else told,
            files={key: str(seen(PurePosixPath(path))) for key, path in served.files.items()},
        )
    return replace(
        model,
        path=within(model.path, folders),
        mmproj_path=seen(model.mmproj_path),
        draft_path=seen(model.draft_path),
        lora=tuple(_lora(item, layout, folders) for item in model.lora),
        options=model.options.model_copy(update={"chat_template_file": _template(model, layout)}),
        served=served,
        program=_program(model) if container is not None else model.program,
        container=None,
    )


def _program(model: Model) -> str:
    return model.program or model.engine.container_program


def _lora(item: Lora, layout: Layout, folders: Mapping[PurePosixPath, PurePosixPath]) -> Lora:
    return item.model_copy(update={"path": str(within(layout.model(item.path), folders))})


def _template(model: Model, layout: Layout) -> str | None:
    """A template is mounted by itself, since keys may lie beside it."""
    path = template(model, layout)
    if path is None:
        return None
    return f"{CONFIG[0]}/templates/{file_name(model.name)}{path.suffix}"


def _external(item: External) -> External:
    """Another server of this machine is not on the container's own loopback."""
    failover = tuple(map(_spare, item.failover))
    return item.model_copy(update={"endpoint": _endpoint(item.endpoint), "failover": failover})


def _spare(item: Spare) -> Spare:
    return item.model_copy(update={"endpoint": _endpoint(item.endpoint)})


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or not loopback(parts.hostname):
        return url
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{MACHINE}{port}{parts.path}"


def _placed(item: Placement, model: Model, library: Library) -> Placement:
    model = replace(
        model,
        replicas=tuple(map(_replica, model.replicas)),
        failover=tuple(map(_spare, model.failover)),
    )
    argv = process.argv(model, item.settings, library, port=item.port)
    return replace(item, model=model, argv=argv, stop=())


def _replica(text: str) -> str:
    host, _, port = text.rpartition(":")
    return f"{in_url(MACHINE)}:{port}" if loopback(host.strip("[]")) else text


def uses_machine(plan: Plan) -> bool:
    """Whether anything of the contained plan asks the machine around it."""
    return any(_asks(plan.library.external.values(), plan.placements))


def _asks(external: Iterable[External], placements: Iterable[Placement]) -> Iterator[bool]:
    for item in external:
        yield any(_on_machine(one.endpoint) for one in servers(item))
    for placed in placements:
        yield any(text.startswith(f"{MACHINE}:") for text in placed.model.replicas)
        yield any(_on_machine(one.endpoint) for one in placed.model.failover)


def _on_machine(url: str) -> bool:
    return urlsplit(url).hostname == MACHINE
