"""compose.yaml: the stack's services as containers, with every file that they read beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from llmgen.artifacts import Artifact, Render
from llmgen.building.image import LABEL
from llmgen.config.tables.containers import Containers
from llmgen.library import Library
from llmgen.plan.plan import Plan
from llmgen.render.quoting import Variable
from llmgen.targets.containers.container import (
    NETWORK,
    PROJECT,
    SECRETS,
    WITH_MACHINE,
    Container,
    DeviceAccess,
    Health,
    MemoryLimits,
    Mount,
)
from llmgen.targets.containers.derive import containers
from llmgen.targets.containers.files import files, placed
from llmgen.targets.containers.inside import contained
from llmgen.targets.containers.versions import COMPOSE, release
from llmgen.units import MIB

NAME = "compose"
SUMMARY = "compose.yaml and .env: the stack in containers of docker or podman"

MODELS: Final = "LLMGEN_MODELS"
KEYS: Final = "LLMGEN_KEYS"
USER: Final = "LLMGEN_USER"
# Compose would not fill the keys again after it, so it runs without.
_DRAIN: Final = "drain.sh"
# How often a loading service is asked.
_OFTEN_SECONDS: Final = 2
# So much of what a container says is kept; podman has no number of files.
_LOGS: Final = {
    "docker": ("json-file", {"max-size": "10m", "max-file": "3"}),
    "podman": ("k8s-file", {"max-size": "10m"}),
}


def in_use(plan: Plan) -> bool:
    """Whether compose runs the stack."""
    return plan.library.config.services.runtime == "compose"


def folder(plan: Plan) -> PurePosixPath:
    """Where compose.yaml and its files are on the machine."""
    return plan.library.host.config / NAME


def artifacts(plan: Plan, render: Render) -> Iterable[Artifact]:
    """compose.yaml, .env, and each service's own files."""
    place = folder(plan)
    found = containers(plan, place)
    if not found:
        return
    text = render("compose/compose.yaml.j2", **_document(found, plan.library))
    told = render("compose/env.j2", told=[*variables(found, plan.library)])
    own = (
        Artifact(PurePosixPath("compose.yaml"), text, NAME),
        Artifact(PurePosixPath(".env"), told, NAME),
    )
    install = place if in_use(plan) else None
    for item in (*own, *files(contained(plan, place), found, render)):
        if item.path.name == _DRAIN:
            continue
        yield placed(item, NAME, PurePosixPath(NAME), install)


def variables(found: Sequence[Container], library: Library) -> Iterator[tuple[str, str, str]]:
    """(name, value, explanation) of everything that compose.yaml asks `.env` for."""
    kinds = {mount.kind for item in found for mount in item.mounts}
    if "models" in kinds:
        yield MODELS, str(library.host.models), "Folder of the model files."
    if "keys" in kinds:
        why = "Private folder of the keys, which `llmgen up` fills before the containers start."
        yield KEYS, str(library.host.runtime), why
    yield USER, library.config.containers.user, "User and group of the programs."
    for part, image in {item.part: item.image for item in found}.items():
        yield _image_variable(part), image, f"Image of {part}."
    for item in found:
        yield from _port_variables(item)
    if optional := dict.fromkeys(item.optional for item in found if item.optional):
        yield "COMPOSE_PROFILES", ",".join(optional), "Optional parts that are up; empty: none."


def _port_variables(item: Container) -> Iterator[tuple[str, str, str]]:
    for port in _ports(item):
        yield _port_variable(item, port), str(port), f"Port of {item.name} on this machine."


def _image_variable(part: str) -> str:
    return f"{_capitals(part)}_IMAGE"


def _port_variable(item: Container, port: int) -> str:
    number = _ports(item).index(port)
    return f"{_capitals(item.host)}_PORT" + (f"_{number + 1}" if number else "")


def _capitals(text: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", text.upper())


def _ports(item: Container) -> list[int]:
    """Each published port once, whatever addresses it has."""
    return [*dict.fromkeys(one.port for one in item.published)]


def _document(found: Sequence[Container], library: Library) -> dict[str, Any]:
    volumes = (one.source for item in found for one in item.mounts if one.kind == "volume")
    healthy = {item.name: item.health is not None for item in found}
    driver, options = _LOGS[library.config.containers.program]
    return {
        "project": PROJECT,
        "program": library.config.containers.program,
        "network": NETWORK,
        "label": {LABEL[0]: LABEL[1]},
        "logging": {"driver": driver, "options": options},
        "restart": WITH_MACHINE[library.config.containers.program],
        "services": [_service(item, library, healthy) for item in found],
        "volumes": [*dict.fromkeys(volumes)],
        "secrets": [
            (f"{item.name}.{name}", Variable(KEYS, f"/secrets/{item.name}/{name}"))
            for item in found
            for name, _ in item.secrets
        ],
    }


def _service(item: Container, library: Library, healthy: dict[str, bool]) -> dict[str, Any]:
    """What the template lays out of one container."""
    table = library.config.containers
    podman = table.program == "podman"
    return {
        "name": item.name,
        "summary": item.summary,
        "container": item.own_name,
        "host": item.host,
        "image": Variable(_image_variable(item.part)),
        "build": _build(item) if item.built else {},
        # Nobody publishes it: `llmgen build` makes it.
        "pull": "never" if item.is_local else "",
        "profiles": [item.optional] if item.optional else [],
        "entrypoint": [] if item.own_entry else [item.argv[0]],
        "command": item.argv if item.own_entry else item.argv[1:],
        "user": Variable(USER) if item.user else None,
        "user_namespace": _user_namespace(item, library) if podman else "",
        "read_only": item.read_only,
        "capabilities": item.capabilities,
        "environment": item.environment,
        "secrets": [(f"{item.name}.{name}", str(SECRETS / name)) for name, _ in item.secrets],
        "tmpfs": [*_tmpfs(item)],
        "mounts": [_mount(one, library) for one in item.mounts if one.target != SECRETS],
        "ports": [*_published(item)],
        "low_port": item.is_low,
        "machine": item.asks_machine,
        **_devices(item.devices, podman=podman),
        "memory": _memory(item.memory),
        "health": _health(item.health, table) if item.health else None,
        "after": [(name, "healthy" if healthy[name] else "started") for name in item.after],
        "stop_seconds": item.stop_seconds,
    }


def _build(item: Container) -> dict[str, str]:
    """How compose builds it, as `llmgen build` does."""
    target = "swap" if item.part == "llama_swap" else "server"
    return {"context": "../containerfile", "dockerfile": "Containerfile", "target": target}


def _user_namespace(item: Container, library: Library) -> str:
    """Rootless podman: the user of the programs is the user who starts them."""
    if library.host.scope == "system" or not item.user:
        return ""
    user, _, group = item.user.partition(":")
    return f"keep-id:uid={user},gid={group}"


def _tmpfs(item: Container) -> Iterator[str]:
    for place in item.tmpfs:
        yield f"{place}:size={item.memory.tmpfs_bytes // len(item.tmpfs)},mode=1777"


def _mount(mount: Mount, library: Library) -> dict[str, Any]:
    """A mount in compose's long form, where nothing is split at colons."""
    host = library.host
    match mount.kind:
        case "volume":
            return {"type": "volume", "source": mount.source, "target": str(mount.target)}
        case "files":
            source: object = f"./{PurePosixPath(mount.source).name}"
        case "models" if mount.source == str(host.models):
            source = Variable(MODELS)
        case "keys":
            source = Variable(KEYS, f"/{PurePosixPath(mount.source).relative_to(host.runtime)}")
        case _:
            source = mount.source
    return {
        "type": "bind",
        "source": source,
        "target": str(mount.target),
        # Nothing fills the keys again before a restart by compose, so nothing changes them there.
        "read_only": not mount.writable or mount.kind == "keys",
        # A folder that is not there is an error, and none of root's.
        "bind": {"create_host_path": False, "selinux": "z"},
    }


def _published(item: Container) -> Iterator[dict[str, Any]]:
    for one in item.published:
        name = _port_variable(item, one.port)
        yield {"host_ip": one.address, "published": Variable(name), "target": one.port}


def _devices(found: DeviceAccess, *, podman: bool) -> dict[str, Any]:
    """NVIDIA's cards are reserved with docker, and named by podman; others are files."""
    return {
        "nvidia": () if podman else found.nvidia,
        "devices": (*(found.cdi if podman else ()), *found.paths),
        "groups": ("keep-groups",) if podman and found.groups else found.groups,
    }


def _memory(found: MemoryLimits) -> dict[str, Any]:
    limit = f"{-(-found.limit_bytes // MIB)}m" if found.limit_bytes else ""
    return {
        "limit": limit,
        "shm": f"{found.shm_bytes // MIB}m" if found.shm_bytes else "",
        "host_ipc": found.host_ipc,
        "locks": found.locks,
    }


def _health(found: Health, table: Containers) -> dict[str, Any]:
    often = table.program == "docker" and release(table.compose) >= COMPOSE["start_interval"]
    return {
        "start_interval": f"{_OFTEN_SECONDS}s" if often else "",
        "test": ("CMD", *found.argv),
        "start_period": f"{found.start_seconds}s",
        "interval": f"{found.every_seconds}s",
        "timeout": f"{found.timeout_seconds}s",
        "retries": found.retries,
    }
