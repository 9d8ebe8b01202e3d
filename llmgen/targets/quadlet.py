"""Podman's quadlets: each service as a unit that its generator makes a systemd service of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final, TypeAlias

from msgspec import Struct

from llmgen.artifacts import Artifact, Render
from llmgen.building.image import LABEL
from llmgen.gateway.addresses import in_url
from llmgen.library import Library
from llmgen.plan.plan import Plan
from llmgen.render.quoting import csv, quadlet, systemd_argv, systemd_text
from llmgen.targets.containers.container import NETWORK, Container, Mount, container_name
from llmgen.targets.containers.derive import containers
from llmgen.targets.containers.files import files, placed
from llmgen.targets.containers.inside import MACHINE, contained
from llmgen.targets.containers.unit import service_lines
from llmgen.targets.containers.versions import OPTIONS, knows
from llmgen.targets.systemd import TARGET, unit
from llmgen.units import MIB

NAME = "quadlet"
SUMMARY = "quadlets: units of podman's containers, for systemd"

# Start attempts within so many seconds, then the unit stays failed.
_BURST, _INTERVAL = 5, 300
# What podman itself takes beside what its program needs.
_SLACK_SECONDS = 30
# A pull of several GiB over a slow line.
_PULL_SECONDS: Final = 3600


class QuadletLine(Struct, frozen=True):
    """One key with its value as it is meant; what takes ``words`` splits it at spaces."""

    key: str
    value: str | tuple[str, ...]

    def written(self) -> tuple[str, str]:
        """Key and value as the generator reads them."""
        if isinstance(self.value, tuple):
            return self.key, systemd_argv(self.value)
        return self.key, quadlet(self.value)


Section: TypeAlias = tuple[str, list[tuple[str, str]]]


def in_use(plan: Plan) -> bool:
    """Whether podman's quadlets run the stack."""
    return plan.library.config.services.runtime == "quadlet"


def artifacts(plan: Plan, render: Render) -> Iterable[Artifact]:
    """A unit for each container, its image, the network, the volumes, and what they read."""
    place, host = plan.library.host.config, plan.library.host
    found = containers(plan, place)
    if not found:
        return
    used = in_use(plan)
    for name, sections in _units(found, plan.library):
        path, content = PurePosixPath(NAME, host.scope, name), render(_TEMPLATE, sections=sections)
        yield Artifact(path, content, NAME, install=host.quadlets / name if used else None)
    for item in files(contained(plan, place), found, render):
        yield placed(item, NAME, PurePosixPath(NAME, "config"), place if used else None)


_TEMPLATE: Final = "quadlet/unit.j2"


def _units(found: Sequence[Container], library: Library) -> Iterator[tuple[str, list[Section]]]:
    """(file name, sections) of every unit."""
    for item in found:
        yield f"{item.own_name}.container", [*_container(item, library)]
    for part, image in {item.part: item.image for item in found if not item.is_local}.items():
        if knows(library.config.containers.podman, ".image"):
            seconds = QuadletLine("TimeoutStartSec", str(_PULL_SECONDS))
            yield (
                f"{_image_unit(part)}.image",
                [_section("Image", [QuadletLine("Image", image)]), _section("Service", [seconds])],
            )
    own = [QuadletLine("NetworkName", NETWORK), _LABEL]
    yield f"{NETWORK}.network", [_section("Network", own)]
    volumes = (one.source for item in found for one in item.mounts if one.kind == "volume")
    for volume in dict.fromkeys(volumes):
        own = [QuadletLine("VolumeName", container_name(volume)), _LABEL]
        yield f"{container_name(volume)}.volume", [_section("Volume", own)]


_LABEL: Final = QuadletLine("Label", ("=".join(LABEL),))


def _image_unit(part: str) -> str:
    return container_name(part.replace("_", "-"))


def _section(name: str, lines: Iterable[QuadletLine]) -> Section:
    return name, [line.written() for line in lines]


def _container(item: Container, library: Library) -> Iterator[Section]:
    after = [unit(name) for name in item.after]
    yield (
        "Unit",
        [
            ("Description", systemd_text(item.summary)),
            ("PartOf", TARGET),
            *(("After", name) for name in after),
            *(("Wants", name) for name in after),
            ("StartLimitIntervalSec", str(_INTERVAL)),
            ("StartLimitBurst", str(_BURST)),
        ],
    )
    lines = _known(_lines(item, library), library.config.containers.podman)
    yield _section("Container", lines)
    yield "Service", [*service_lines(item, library)]
    yield "Install", [("WantedBy", TARGET)]


def _known(lines: Iterable[QuadletLine], podman: str) -> Iterator[QuadletLine]:
    """Lines of [Container]; a key that this podman lacks is an option of its `run`."""
    for line in lines:
        if knows(podman, line.key):
            yield line
        else:
            words = line.value if isinstance(line.value, tuple) else (line.value,)
            yield from (QuadletLine("PodmanArgs", (OPTIONS[line.key], word)) for word in words)


def _lines(item: Container, library: Library) -> Iterator[QuadletLine]:
    """What podman is told of the container."""
    pulled = not item.is_local and knows(library.config.containers.podman, ".image")
    yield QuadletLine("ContainerName", item.own_name)
    yield QuadletLine("Image", f"{_image_unit(item.part)}.image" if pulled else item.image)
    if item.is_local:
        yield QuadletLine("Pull", "never")
    if item.own_entry:
        yield QuadletLine("Exec", item.argv)
    else:
        yield QuadletLine("Entrypoint", json.dumps(item.argv[:1]))
        yield from (QuadletLine("Exec", item.argv[1:]) for _ in item.argv[1:2])
    yield from _user(item, library)
    yield QuadletLine("ReadOnly", "true" if item.read_only else "false")
    yield QuadletLine("NoNewPrivileges", "true")
    yield QuadletLine("DropCapability", "all")
    yield from (QuadletLine("AddCapability", name) for name in item.capabilities)
    yield from (
        QuadletLine("Environment", (f"{name}={value}",)) for name, value in item.environment
    )
    yield from _devices(item, library)
    yield from _memory(item)
    yield from (QuadletLine("Mount", (_mount(one),)) for one in item.mounts)
    yield from _network(item)
    yield from _health(item)
    yield QuadletLine("StopTimeout", str(item.stop_seconds))
    yield QuadletLine("LogDriver", "journald")
    yield _LABEL
    yield from (QuadletLine("PodmanArgs", (word,)) for word in item.runtime_args)


def _user(item: Container, library: Library) -> Iterator[QuadletLine]:
    """Whose the program is; of a user's containers that user within and without."""
    if not item.user:
        return
    user, _, group = item.user.partition(":")
    yield QuadletLine("User", user)
    yield QuadletLine("Group", group)
    if library.host.scope == "user":
        yield QuadletLine("UserNS", f"keep-id:uid={user},gid={group}")


def _devices(item: Container, library: Library) -> Iterator[QuadletLine]:
    found = item.devices
    yield from (QuadletLine("AddDevice", (name,)) for name in (*found.cdi, *found.paths))
    # A user's own groups are no names in the image.
    groups = ("keep-groups",) if library.host.scope == "user" else found.groups
    yield from (QuadletLine("GroupAdd", name) for name in groups if found.groups)


def _memory(item: Container) -> Iterator[QuadletLine]:
    memory = item.memory
    if memory.limit_bytes:
        limit = f"{-(-memory.limit_bytes // MIB)}m"
        yield QuadletLine("Memory", limit)
        # The same as the memory: nothing is swapped. It has no key.
        yield QuadletLine("PodmanArgs", ("--memory-swap", limit))
    if memory.host_ipc:
        yield QuadletLine("PodmanArgs", ("--ipc", "host"))
    if memory.shm_bytes:
        yield QuadletLine("ShmSize", f"{memory.shm_bytes // MIB}m")
    if memory.locks:
        yield QuadletLine("Ulimit", "memlock=-1:-1")
    for place in item.tmpfs:
        size = memory.tmpfs_bytes // len(item.tmpfs)
        yield QuadletLine("Tmpfs", f"{place}:size={size},mode=1777")


def _mount(mount: Mount) -> str:
    """A mount as CSV, in which a path may have any character."""
    target = str(mount.target)
    if mount.kind == "volume":
        source = f"{container_name(mount.source)}.volume"
        return csv([("type", "volume"), ("source", source), ("destination", target)])
    told = [("type", "bind"), ("source", mount.source), ("destination", target)]
    ways = [("relabel", "shared"), *([] if mount.writable else [("ro", "true")])]
    return csv([*told, *ways])


def _network(item: Container) -> Iterator[QuadletLine]:
    yield QuadletLine("Network", f"{NETWORK}.network")
    yield QuadletLine("NetworkAlias", item.host)
    for one in item.published:
        yield QuadletLine("PublishPort", f"{in_url(one.address)}:{one.port}:{one.port}")
    if item.asks_machine:
        yield QuadletLine("AddHost", f"{MACHINE}:host-gateway")
    if item.is_low:
        yield QuadletLine("Sysctl", ("net.ipv4.ip_unprivileged_port_start=0",))


def _health(item: Container) -> Iterator[QuadletLine]:
    found = item.health
    if found is None:
        return
    yield QuadletLine("HealthCmd", json.dumps(found.argv))
    # Until then a failure says that it is still loading.
    yield QuadletLine("HealthStartPeriod", f"{found.start_seconds}s")
    yield QuadletLine("HealthInterval", f"{found.every_seconds}s")
    yield QuadletLine("HealthTimeout", f"{found.timeout_seconds}s")
    yield QuadletLine("HealthRetries", str(found.retries))
    # The unit is up when it answers, so what comes after it waits for that.
    yield QuadletLine("Notify", "healthy")
