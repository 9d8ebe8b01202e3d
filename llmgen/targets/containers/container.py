"""A service as a container: what it runs, sees, may do and is given."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from llmgen.config.tables.base import Secret
from llmgen.gateway.exposure import FREE_PORT
from llmgen.gateway.secrets import Manifest

# The project of compose, the network's and every volume's prefix.
PROJECT: Final = "llmgen"
NETWORK: Final = "llmgen"
# Compose's restart policy of what starts with the machine. podman-restart.service starts `always`
# alone before podman 5.8; of docker `unless-stopped` stays down once it was stopped by hand.
WITH_MACHINE: Final[dict[str, str]] = {"docker": "unless-stopped", "podman": "always"}
# Where the secrets of a service are files.
SECRETS: Final = PurePosixPath("/run/llmgen/secrets")
# Where drivers keep what they compiled. A new volume takes over the rights of the folder that it
# covers, and in every image this one is for everybody.
CACHE: Final = PurePosixPath("/var/tmp")  # noqa: S108 - a volume, see above

MountKind: TypeAlias = Literal["models", "files", "keys", "volume", "file"]


class Mount(Struct, frozen=True):
    """A folder or file of the machine within a container, or with ``volume`` a volume by name.

    ``kind`` says what it is: model files, the service's own configuration, its filled keys, or one
    file by itself.
    """

    kind: MountKind
    source: str
    target: PurePosixPath
    writable: bool = False


class Published(Struct, frozen=True):
    """A port of the machine that leads to a service; ``exposed`` is reached from elsewhere."""

    service: str
    address: str
    port: int
    exposed: bool


class Health(Struct, frozen=True):
    """A command within the container that succeeds when the service answers.

    Until ``start_seconds`` have passed a failure says that it is still loading.
    """

    argv: tuple[str, ...]
    start_seconds: int
    every_seconds: int = 10
    timeout_seconds: int = 5
    retries: int = 3


class DeviceAccess(Struct, frozen=True):
    """What opens the machine's devices.

    ``cdi`` are names of the Container Device Interface, ``nvidia`` the numbers of NVIDIA's cards
    (both say the same to different runtimes), ``paths`` device files, ``groups`` those that open
    them.
    """

    cdi: tuple[str, ...] = ()
    nvidia: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class MemoryLimits(Struct, frozen=True):
    """Limits in bytes, 0 for none: all that the container may hold, swap, and parts of it.

    ``tmpfs_bytes`` and ``shm_bytes`` are memory as well and within ``limit_bytes``.
    """

    limit_bytes: int = 0
    swap_bytes: int = 0
    tmpfs_bytes: int = 0
    shm_bytes: int = 0
    host_ipc: bool = False
    locks: bool = False


class Container(Struct, frozen=True):
    """One service of the stack in a container; ``name`` is the service's.

    ``host`` is its name on the network, ``part`` what its image is of. ``secrets`` are the
    variables that are read from files before the program starts, ``keys`` the commands of the
    machine that fill its key files.
    With ``own_entry`` the image knows its program, and ``argv`` are its words alone.
    ``manifest`` is the one of its secrets, by which ``keys`` fills them. ``user`` "" is the image's
    own. ``optional`` names the profile that switches it on. ``port`` is what it listens on.
    ``capabilities`` are all that it has. ``before_stop`` runs within while it still answers.
    ``models`` are those that it serves. ``runtime_args`` are options of podman's `run` that
    llm.toml passes on.
    """

    name: str
    summary: str
    host: str
    part: str
    image: str
    built: bool
    argv: tuple[str, ...]
    port: int
    health: Health | None
    own_entry: bool = False
    user: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, Secret], ...] = ()
    manifest: Manifest | None = None
    read_before: tuple[Secret, ...] = ()
    keys: tuple[tuple[str, ...], ...] = ()
    tmpfs: tuple[PurePosixPath, ...] = ()
    capabilities: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    published: tuple[Published, ...] = ()
    devices: DeviceAccess = DeviceAccess()
    memory: MemoryLimits = MemoryLimits()
    after: tuple[str, ...] = ()
    start_seconds: int = 90
    stop_seconds: int = 30
    read_only: bool = True
    asks_machine: bool = False
    optional: str = ""
    gate: str = ""
    models: tuple[str, ...] = ()
    before_stop: tuple[str, ...] = ()
    runtime_args: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether nobody publishes its image."""
        return self.built or self.image.startswith("localhost/")

    @property
    def is_low(self) -> bool:
        """Whether only root listens on its port, and nothing here is root."""
        return 0 < self.port < FREE_PORT

    @property
    def own_name(self) -> str:
        """The container's name on the machine."""
        return container_name(self.name)


def container_name(service: str) -> str:
    """The name of a service's container on the machine; its unit's, too."""
    return f"{PROJECT}-{service}"
