"""Every service of a plan as a container: limits, mounts, devices, order."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

from msgspec.structs import replace

from llmgen.building.image import Image, ImagePart, image_of
from llmgen.config.names import service_name
from llmgen.errors import PlanError
from llmgen.gateway.addresses import ANY, host_name
from llmgen.gateway.command import keys
from llmgen.gateway.secrets import Manifest, PlaceholderFile, absolute
from llmgen.library import Keep, Library
from llmgen.plan.plan import Placement, Plan
from llmgen.plan.slack import TMPFS_BYTES
from llmgen.targets import open_webui
from llmgen.targets.containers import health
from llmgen.targets.containers.container import CACHE, Container, DeviceAccess, MemoryLimits
from llmgen.targets.containers.devices import devices
from llmgen.targets.containers.inside import contained, uses_machine
from llmgen.targets.containers.mounts import mounts, served
from llmgen.targets.containers.published_ports import published
from llmgen.targets.containers.refusals import refusals
from llmgen.targets.containers.start import argv
from llmgen.targets.services import Service, services
from llmgen.units import MIB

# What docker and podman give to every container, and what nothing here asks more of.
SHM_BYTES: Final = 64 * MIB
# What Open WebUI's image runs, in its own folder.
_PAGE: Final = ("bash", "start.sh")
_PARTS: Final[dict[str, ImagePart]] = {
    "swap": "llama_swap",
    "router": "llama_server",
    "envoy": "envoy",
    "litellm": "litellm",
    open_webui.NAME: "open_webui",
}


def containers(plan: Plan, files: PurePosixPath) -> tuple[Container, ...]:
    """The containers of a plan of the machine's own, in the order of its services.

    ``files`` is the folder on the machine with the configuration of each service. PlanError when
    a service cannot run in one.
    """
    if refused := [*refusals(plan)]:
        raise PlanError(refused)
    return of_contained(contained(plan, files))


def of_contained(inner: Plan, *, checked: bool = True) -> tuple[Container, ...]:
    """The containers of a plan as they see it themselves.

    Those that are ``checked`` ask their program first whether its configuration is right.
    """
    models = {
        service_name(item.name): item for item in inner.placements if item.keep is Keep.ALWAYS
    }
    found = services(inner)
    if not checked:
        found = tuple(replace(item, checks=()) for item in found)
    return tuple(_container(item, models.get(item.name), inner) for item in found)


def _container(service: Service, model: Placement | None, inner: Plan) -> Container:
    library = inner.library
    image = _image(service, model, library)
    secrets = service.secrets
    is_page = service.name == open_webui.NAME
    if is_page:
        service = replace(service, argv=_PAGE)
    asked = health.of_model(model, inner) if model else health.of_service(service, inner)
    return Container(
        name=service.name,
        summary=service.summary,
        host=host_name(service.name),
        part=image.part if image.programs or is_page else host_name(service.name),
        image=image.reference,
        built=image.built,
        argv=argv(service),
        port=service.port,
        own_entry=model is not None and not (model.model.program or model.model.is_llama),
        health=asked,
        # Open WebUI's image writes into its own folders, as root.
        user="" if is_page else library.config.containers.user,
        read_only=not is_page,
        capabilities=("DAC_OVERRIDE",) if is_page else (),
        environment=_environment(
            service,
            library.machine.backend,
            is_page=is_page,
            downloads=model is not None and not model.model.is_llama,
        ),
        secrets=secrets,
        manifest=_manifest(service, library) if secrets else None,
        read_before=service.read_before,
        keys=(*service.keys, *((keys(library, f"secrets/{service.name}"),) if secrets else ())),
        tmpfs=_tmpfs(service, library),
        mounts=tuple(mounts(service, model, inner)),
        published=tuple(item for item in published(inner) if item.service == service.name),
        devices=_devices(service, model, inner),
        memory=_memory(service, model, library),
        after=service.after,
        start_seconds=service.start_seconds,
        stop_seconds=service.stop_seconds,
        asks_machine=uses_machine(inner),
        optional=open_webui.NAME if is_page else "",
        gate=service.gate,
        models=tuple(item.name for item in served(service, model, inner)),
        before_stop=service.stop,
        runtime_args=_own_args(model, library),
    )


def _image(service: Service, model: Placement | None, library: Library) -> Image:
    """The image of the service, or of the model itself."""
    own = library.contained.images.get(model.name) if library.contained and model else None
    if own is not None:
        return Image("llama_server", own.image, built=False, programs={})
    return image_of(library, _PARTS.get(service.name, "llama_server"))


def _environment(
    service: Service, backend: str, *, is_page: bool, downloads: bool
) -> tuple[tuple[str, str], ...]:
    """The service's own variables, and where its drivers and libraries keep what they make."""
    own = tuple(service.environment)
    if service.gpu:
        # Shader and kernel caches of the drivers.
        own = (
            ("XDG_CACHE_HOME", str(CACHE)),
            *((("CUDA_CACHE_PATH", str(CACHE / "cuda")),) if backend == "cuda" else ()),
            *own,
        )
    if downloads:
        own = (("HF_HOME", str(CACHE / "huggingface")), *own)
    return (*own, *((("HOST", ANY), ("PORT", str(service.port))) if is_page else ()))


def _manifest(service: Service, library: Library) -> Manifest:
    """What fills the files with the service's secrets, one for each."""
    return Manifest(
        into=library.host.runtime / "secrets" / service.name,
        files=tuple(PlaceholderFile(name, "line") for name, _ in service.secrets),
        secrets={name: absolute(item, library.host) for name, item in service.secrets},
        owner=library.owner,
    )


def _tmpfs(service: Service, library: Library) -> tuple[PurePosixPath, ...]:
    found = [PurePosixPath("/tmp")]  # noqa: S108 - within the container
    if service.name == "router":
        # Its empty folder of models.
        found.append(library.layout.state / "router")
    return tuple(found)


def _devices(service: Service, model: Placement | None, inner: Plan) -> DeviceAccess:
    """Every device for llama.cpp's programs, which number them; for others those that they use."""
    library = inner.library
    if not service.gpu:
        return DeviceAccess()
    every = [device.key for device in library.machine.devices]
    alone = model is not None and not model.model.is_llama
    used = model.settings.devices if alone and model is not None else every
    if model is not None and not model.settings.devices:
        used = ()
    numbers = [every.index(key) for key in used]
    return devices(library.machine.backend, numbers, library.config.services.groups)


def _memory(service: Service, model: Placement | None, library: Library) -> MemoryLimits:
    """The plan's limit with what containers add to it; no swap, as for units."""
    tmpfs = TMPFS_BYTES * len(_tmpfs(service, library))
    limit = service.memory_bytes + tmpfs if service.memory_bytes else 0
    shares = model is not None and "--ipc=host" in model.model.engine.container_args
    return MemoryLimits(
        limit_bytes=limit,
        tmpfs_bytes=tmpfs,
        shm_bytes=0 if shares else SHM_BYTES,
        host_ipc=shares,
        locks=service.locks_memory,
    )


def _own_args(model: Placement | None, library: Library) -> tuple[str, ...]:
    own = library.contained.images.get(model.name) if library.contained and model else None
    return own.args if own is not None else ()
