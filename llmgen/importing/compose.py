"""Compose files: each service that serves models, in its container; all others named."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmgen.importing.containers import ImportedContainer, Volume, published, volume
from llmgen.importing.llama_swap.environment import pairs
from llmgen.importing.llama_swap.macros import spoken
from llmgen.importing.parts import Item, Part, fault, lost, part_of
from llmgen.importing.standalone import Running, serves, standalone

_VARIABLE = re.compile(r"\$\{(\w+)(?::?[-?]([^}]*))?\}|\$(\w+)")
_HEALTH: Final = "llmgen asks each server's health itself"
# Keys of a service that become keys of the model or its container, by ``_container``.
_TAKEN: Final = frozenset(
    {"image", "command", "entrypoint", "environment", "volumes", "ports", "devices", "deploy",
     "gpus"}
)  # fmt: skip
# Why the others do not: what llmgen writes instead.
_OWN: Final[Mapping[str, str]] = {
    "container_name": "llmgen's containers are called after their models",
    "depends_on": "llmgen starts its services in their order",
    "expose": "llmgen publishes each server on loopback",
    "healthcheck": _HEALTH,
    "hostname": "llmgen's servers are reached by their port",
    "init": "llmgen's containers have it",
    "logging": "services log to the service manager",
    "networks": "llmgen publishes each server on loopback",
    "pull_policy": "`podman pull` or `docker pull` gets an image",
    "restart": "llmgen's services restart by themselves",
    "stdin_open": "a server needs no terminal",
    "stop_grace_period": "`stop_timeout` in [services] is for all",
    "tty": "a server needs no terminal",
    "volumes_from": "name the folders in `volumes`",
}
# Options of `run` for keys that have one: passed on as they are.
_OPTIONS: Final[Mapping[str, str]] = {
    "cap_add": "--cap-add", "cap_drop": "--cap-drop", "cpus": "--cpus", "cpuset": "--cpuset-cpus",
    "dns": "--dns", "extra_hosts": "--add-host", "group_add": "--group-add", "ipc": "--ipc",
    "labels": "--label", "mem_limit": "--memory", "memswap_limit": "--memory-swap",
    "network_mode": "--network", "pid": "--pid", "platform": "--platform",
    "privileged": "--privileged", "read_only": "--read-only", "runtime": "--runtime",
    "security_opt": "--security-opt", "shm_size": "--shm-size", "tmpfs": "--tmpfs",
    "user": "--user", "working_dir": "--workdir",
}  # fmt: skip
# Programs around the servers, and what llmgen has for them.
_BESIDE: Final = (
    ("llama-swap", "import the configuration that it mounts, too"),
    ("litellm", "import the configuration that it mounts, too; [gateway.litellm] runs it"),
    ("envoy", "[gateway.envoy] runs it"),
)


def is_compose(document: object) -> bool:
    """Whether a YAML document is a compose file."""
    services = document.get("services") if isinstance(document, dict) else None
    return isinstance(services, dict) and any(
        isinstance(item, dict) and ({"image", "build", "extends"} & set(item))
        for item in services.values()
    )


def from_compose(document: Mapping[str, Any]) -> Part:
    """Its services as always-on models."""
    return part_of(_items(document))


def _items(document: Mapping[str, Any]) -> Iterator[Item]:
    taken: set[str] = set()
    for name, service in document["services"].items():
        yield from _service(str(name), service if isinstance(service, dict) else {}, taken)
    for key in document:
        if key.startswith("x-"):
            yield lost(f"`{key}`", "it holds parts for other keys, which have them")
        elif key not in ("services", "version", "name"):
            yield lost(f"`{key}`", "llmgen's containers mount folders of the machine alone")
        elif key != "services":
            yield lost(f"`{key}`", "it is about compose itself")


def _service(name: str, service: Mapping[str, Any], taken: set[str]) -> Iterator[Item]:
    image = spoken(service.get("image"))
    container = _container(name, service)
    found = Running(
        f"the service `{name}`",
        container.entrypoint or (container.words[0] if container.words else "") or image,
        container.arguments,
        dict(container.environment),
        container,
        container.name or name,
    )
    beside = next((told for word, told in _BESIDE if word in image), "")
    if not image:
        what = "the image that `build` makes" if "build" in service else "no image"
        yield lost(f"the service `{name}`", f"it runs {what}, which llmgen does not know")
        return
    if beside or not serves(found):
        why = beside or "it serves no models that llmgen knows"
        yield lost(f"the service `{name}`", f"it runs `{image}`: {why}")
        return
    yield from standalone(found, taken)
    yield from _left(name, service)


def _left(name: str, service: Mapping[str, Any]) -> Iterator[Item]:
    """Keys of the service that the model does not have, and variables that nobody filled in."""
    for key, value in service.items():
        what = f"`{key}` of the service `{name}`"
        if key in _TAKEN or key in _OPTIONS or value is None:
            continue
        if key == "env_file":
            files = ", ".join(map(spoken, value if isinstance(value, list) else [value]))
            yield fault(
                "environment-file",
                f"variables of the service `{name}` stand in `{files}`, which is not read here",
                f"`llmgen import COMPOSE {files}` reads both",
            )
        else:
            yield lost(what, _OWN.get(key, "llm.toml has no key for it"))
    limits = ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    for key in limits:
        yield lost(f"`deploy.resources.limits.{key}` of `{name}`", "llmgen derives limits")
    for key in service.get("deploy") or {}:
        if key != "resources":
            yield lost(f"`deploy.{key}` of the service `{name}`", "llmgen runs one of each")
    for item in service.get("volumes") or ():
        mounted = _volume(item)
        if mounted is None:
            yield lost(f"the volume `{_short(item)}` of `{name}`", "it has no folder outside")
        elif mounted.outside.startswith("."):
            yield fault(
                "relative-folder",
                f"`{mounted.outside}` of the service `{name}` is below the compose file's folder",
                "write the whole path",
            )
    for variable in sorted({m[1] or m[3] for m in _VARIABLE.finditer(str(service)) if not m[2]}):
        yield fault(
            "environment-file",
            f"`${{{variable}}}` of the service `{name}` is filled in by its `.env`",
            "write what it stands for",
        )


def _short(item: object) -> str:
    return spoken(item)[:80]


def _container(name: str, service: Mapping[str, Any]) -> ImportedContainer:
    return ImportedContainer(
        runtime="docker",
        image=_filled(spoken(service.get("image"))),
        words=tuple(_words(service.get("command"))),
        entrypoint=" ".join(_words(service.get("entrypoint"))[:1]),
        name=spoken(service.get("container_name")) or name,
        volumes=tuple(
            found for item in service.get("volumes") or () if (found := _volume(item)) is not None
        ),
        ports=tuple(map(_port, service.get("ports") or ())),
        environment=tuple(
            (key, _filled(value)) for key, value in pairs(service.get("environment"))
        ),
        devices=_devices(service),
        args=tuple(_args(service)),
    )


def _filled(text: str) -> str:
    """The text with the defaults of its variables; those without one stay."""
    return _VARIABLE.sub(lambda found: found[2] if found[2] is not None else found[0], text)


def _words(value: object) -> list[str]:
    if isinstance(value, list):
        return [_filled(spoken(item)) for item in value]
    return shlex.split(_filled(spoken(value)))


def _volume(item: object) -> Volume | None:
    """A bind mount; a named volume has no folder that llmgen could name."""
    if isinstance(item, dict):
        item = f"{item.get('source', '')}:{item.get('target', '')}"
    found = volume(_filled(spoken(item)))
    folder = found is not None and found.outside.startswith(("/", "~", ".", "$"))
    return found if folder else None


def _port(item: object) -> tuple[str, str]:
    if isinstance(item, dict):
        return spoken(item.get("published")), spoken(item.get("target"))
    return published(_filled(spoken(item)))


def _devices(service: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Numbers of the devices that it reserves."""
    resources = (service.get("deploy") or {}).get("resources") or {}
    for item in (resources.get("reservations") or {}).get("devices") or ():
        ids = item.get("device_ids") if isinstance(item, dict) else None
        if ids and all(spoken(one).isdigit() for one in ids):
            return tuple(int(spoken(one)) for one in ids)
    return None


def _args(service: Mapping[str, Any]) -> Iterator[str]:
    for key, option in _OPTIONS.items():
        value = service.get(key)
        if value is True:
            yield option
        elif isinstance(value, dict):
            yield from (f"{option}={name}={spoken(inner)}" for name, inner in value.items())
        elif isinstance(value, list):
            yield from (f"{option}={_filled(spoken(item))}" for item in value)
        elif value not in (None, False):
            yield f"{option}={_filled(spoken(value))}"
    for item in service.get("devices") or ():
        text = spoken(item)
        if not text.startswith(("/dev/kfd", "/dev/dri", "nvidia.com/gpu=")):
            yield f"--device={text}"
