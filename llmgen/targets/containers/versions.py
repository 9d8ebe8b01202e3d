"""Which release of podman or docker compose first knows a key."""

from __future__ import annotations

from typing import Final, TypeAlias

ProgramVersion: TypeAlias = tuple[int, int]

# Keys of [Container] that not every podman with quadlets knows, and the units beside it, with the
# release that first has each in its tables `supported*Keys` (containers/podman,
# pkg/systemd/quadlet/quadlet.go at the tags v4.4.0 to v5.8.0).
QUADLET: Final[dict[str, ProgramVersion]] = {
    "HealthCmd": (4, 5),
    "Mount": (4, 5),
    "Tmpfs": (4, 5),
    "UserNS": (4, 5),
    "LogDriver": (4, 5),
    "AutoUpdate": (4, 6),
    "Pull": (4, 6),
    "Sysctl": (4, 6),
    "ShmSize": (4, 7),
    "Ulimit": (4, 7),
    "NetworkName": (4, 7),
    "VolumeName": (4, 7),
    ".image": (4, 8),
    "Entrypoint": (5, 0),
    "StopTimeout": (5, 0),
    # `Notify=healthy`; the key itself is as old as quadlets.
    "Notify": (5, 0),
    "GroupAdd": (5, 1),
    "LogOpt": (5, 2),
    "NetworkAlias": (5, 2),
    ".build": (5, 2),
    "AddHost": (5, 3),
    "Memory": (5, 5),
}
# The options of `podman run` that say the same to releases without the key.
OPTIONS: Final = {
    "AddHost": "--add-host",
    "Entrypoint": "--entrypoint",
    "GroupAdd": "--group-add",
    "LogOpt": "--log-opt",
    "Memory": "--memory",
    "NetworkAlias": "--network-alias",
    "ShmSize": "--shm-size",
    "StopTimeout": "--stop-timeout",
    "Ulimit": "--ulimit",
}
# The least release whose quadlets hold what a stack needs: `Notify=healthy` waits for a load.
LEAST_PODMAN: Final[ProgramVersion] = (5, 0)
# Keys of compose.yaml that need a later docker. `start_interval` is one of Docker 25, with which
# compose 2.24 came; podman's socket speaks an older version of the interface.
COMPOSE: Final[dict[str, ProgramVersion]] = {"start_interval": (2, 24)}


def release(text: str) -> ProgramVersion:
    """A version of llm.toml, as numbers."""
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def knows(version: str, key: str) -> bool:
    """Whether the quadlets of this podman have the key."""
    return release(version) >= QUADLET.get(key, (4, 4))
