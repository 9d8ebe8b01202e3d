"""What doctor sees: values that a probe brought."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class Ran(Struct, frozen=True):
    """A program that was run: exit code and what it printed; ``code`` None: it could not run."""

    code: int | None
    out: str = ""
    err: str = ""

    @property
    def text(self) -> str:
        """Both streams."""
        return f"{self.out}\n{self.err}".strip()


class FileSeen(Struct, frozen=True):
    """A file: its size (None: absent), and whether the service user can read it (None: unknown).

    ``closed`` is what keeps that user out: the file, or a folder on the way with a slash behind it.
    """

    size_bytes: int | None
    readable: bool | None = None
    magic: bytes = b""
    problem: str = ""
    closed: str = ""


class Holder(Struct, frozen=True):
    """Who listens on a port; ``pid`` None where another user's process is hidden from this one."""

    pid: int | None
    name: str
    ours: bool = False


class ImageSeen(Struct, frozen=True):
    """An image of this machine: what it is for, the CUDA in it, and names that hold its digest."""

    architecture: str
    cuda: str = ""
    digests: tuple[str, ...] = ()


class Seen(Struct, frozen=True):
    """Everything that the probes brought. A key that is absent was not found out.

    ``programs`` holds whether each path of [paths] is an executable file, ``tools`` which of
    ``detect.obtain.TOOLS`` there are; ``ran`` what commands
    printed, by a short name (``llama_server --help``); ``ports`` has None for a free port;
    ``secrets`` the modes of files with keys; ``images`` has None for one that is not here,
    ``architecture`` is the machine's as images name it, ``subuids`` how many users of its own a
    user may give to containers;
    ``sysfs`` texts of files below /sys and /proc; ``logs`` the end of each unit's log.
    """

    programs: Mapping[str, bool] = field(default_factory=dict)
    tools: tuple[str, ...] = ()
    ran: Mapping[str, Ran] = field(default_factory=dict)
    files: Mapping[str, FileSeen] = field(default_factory=dict)
    secrets: Mapping[str, int] = field(default_factory=dict)
    ports: Mapping[int, Holder | None] = field(default_factory=dict)
    memory_bytes: int | None = None
    sysfs: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    config_files: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None
    linger: bool | None = None
    memlock_bytes: int | None = None
    restarts: Mapping[str, int] = field(default_factory=dict)
    logs: Mapping[str, str] = field(default_factory=dict)
    cors: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, ImageSeen | None] = field(default_factory=dict)
    architecture: str = ""
    subuids: int | None = None
