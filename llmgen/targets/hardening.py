"""How far a service is locked in: as far as its GPU, its keys and its manager allow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final, TypeAlias

from llmgen.config.tables.hardware import Backend
from llmgen.gateway.exposure import FREE_PORT
from llmgen.layout import RUNTIME, STATE, Layout
from llmgen.render.quoting import systemd
from llmgen.targets.services import Service

UnitLine: TypeAlias = tuple[str, str]

# What a user's manager can apply too: seccomp and prctl, no mounts, no devices.
ANYWHERE: Final[tuple[UnitLine, ...]] = (
    ("NoNewPrivileges", "yes"),
    ("LockPersonality", "yes"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallFilter", "@system-service"),
    ("SystemCallErrorNumber", "EPERM"),
    ("UMask", "0077"),
)
# A runtime makes namespaces and mounts; the container itself is the restriction.
CONTAINED: Final[tuple[UnitLine, ...]] = (("UMask", "0077"),)
_SYSTEM: Final[tuple[UnitLine, ...]] = (
    ("PrivateTmp", "yes"),
    ("ProtectClock", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectProc", "invisible"),
    ("ProtectSystem", "strict"),
    ("RemoveIPC", "yes"),
)
# Device classes of /proc/devices that the drivers open (NVIDIA; DRM for Mesa and AMD; ROCm).
_DEVICES: Final[dict[Backend, tuple[str, ...]]] = {
    "cuda": ("char-nvidia*",),
    "rocm": ("char-drm", "char-kfd"),
    "vulkan": ("char-drm", "char-nvidia*"),
    "metal": (),
    "cpu": (),
}


def user_lines(service: Service) -> tuple[UnitLine, ...]:
    """Restrictions that a user's service manager applies."""
    return CONTAINED if service.runtimes else ANYWHERE


def system_lines(
    service: Service, layout: Layout, backend: Backend, own: str = ""
) -> Iterator[UnitLine]:
    """Restrictions of a system unit, and the few places that it may write to.

    ``own`` is the folder below those of the stack that is the unit's alone; empty: all of them.
    """
    if service.runtimes:
        yield from CONTAINED
        return
    place = f"llmgen/{own}" if own else "llmgen"
    yield from ANYWHERE
    # Without it only root listens on a port below 1024.
    capabilities = "CAP_NET_BIND_SERVICE" if 0 < service.port < FREE_PORT else ""
    yield "AmbientCapabilities", capabilities
    yield "CapabilityBoundingSet", capabilities
    yield from _SYSTEM
    yield "ProtectHome", "read-only" if service.reads_home or _in_home(service, layout) else "yes"
    if service.gpu:
        yield "DevicePolicy", "closed"
        yield from (("DeviceAllow", f"{name} rw") for name in _DEVICES[backend])
        # Shader and kernel caches of the drivers.
        yield "CacheDirectory", systemd(place)
        cache = f"%C/{place}"
        yield "Environment", f"XDG_CACHE_HOME={cache} CUDA_CACHE_PATH={cache}/cuda"
    else:
        yield "PrivateDevices", "yes"
    if service.local:
        yield "IPAddressDeny", "any"
        yield "IPAddressAllow", "localhost"
    yield from _writable(service, layout, own)


def _in_home(service: Service, layout: Layout) -> bool:
    program = PurePosixPath(service.argv[0])
    engines = (*layout.engines.values(), program)
    places = (layout.models, layout.config, layout.llama_server, layout.llama_swap, *engines)
    return any(place.parts[1:2] in (("home",), ("root",)) for place in places)


def _writable(service: Service, layout: Layout, own: str) -> Iterator[UnitLine]:
    place = f"llmgen/{own}" if own else "llmgen"
    if str(layout.state) == STATE[0]:
        yield "StateDirectory", systemd(place)
    else:
        yield "ReadWritePaths", systemd(f"-{layout.state / own}")
    if not service.before:
        return
    if str(layout.runtime) == RUNTIME[0]:
        yield "RuntimeDirectory", systemd(place)
        yield "RuntimeDirectoryMode", "0700"
        # Another service may still need its keys there.
        yield "RuntimeDirectoryPreserve", "yes"
    else:
        yield "ReadWritePaths", systemd(f"-{layout.runtime / own}")
