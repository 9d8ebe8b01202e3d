"""Where and how this machine runs the stack: scope, folders, service manager."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from msgspec import Struct

from llmgen.apply.files import refuse_no_folder
from llmgen.apply.snapshot import Place
from llmgen.artifacts import Artifact
from llmgen.config.config import Config
from llmgen.config.tables.hardware import OperatingSystem
from llmgen.errors import Diagnostic, InputError
from llmgen.layout import Layout, layout
from llmgen.operate.installation.steps import Manager
from llmgen.operate.managers.launchd import Launchd
from llmgen.operate.managers.systemd import Systemd

# Root's alone, and so outside of the StateDirectory= that systemd gives to the services' user: who
# can change the ledger or a kept generation there says what root deletes and writes.
SYSTEM_STATE = PurePosixPath("/var/lib/llmgen-install")


class Site(Struct, frozen=True):
    """One installation: ``root`` is ``/``, or a folder that stands for it (staging, images).

    ``runtime`` is what llm.toml wants of the services, ``program`` what runs them in containers.
    """

    layout: Layout
    os: OperatingSystem
    root: Path
    state: Path
    uid: int = 0
    runtime: str = "native"
    program: str = ""

    @property
    def is_staged(self) -> bool:
        """Whether the files are for another machine, so that nothing here is started."""
        return self.root != Path("/")

    @property
    def folder(self) -> PurePosixPath:
        """Where the service manager looks for its files."""
        return self.layout.agents if self.os == "macos" else self.layout.units

    @property
    def folders(self) -> tuple[PurePosixPath, ...]:
        """Every folder with files that start services: the manager's, quadlets', compose's."""
        return (self.folder, self.layout.quadlets, self.layout.compose)

    @property
    def place(self) -> Place:
        """Where apply writes; symlinked folders are the system's own business there."""
        return Place(self.root, self.state / "ledger.json", 0o600, exact_modes=True, links=True)

    @property
    def manager(self) -> Manager:
        """The service manager of the scope."""
        if self.os == "macos":
            return Launchd(self.layout.scope, self.uid)
        return Systemd(self.layout.scope)


def site(config: Config, root: str | None = None) -> Site:
    """The installation that llm.toml describes on this machine, or below ``root``."""
    if root:
        refuse_no_folder(Path(root).absolute())
    scope = config.services.scope
    place = layout(config.paths, scope)
    base = Path(root).absolute() if root else Path("/")
    here: OperatingSystem = "macos" if sys.platform == "darwin" else "linux"
    return Site(
        layout=place,
        os=(config.hardware.os or here) if root else here,
        root=base,
        state=base / _state(place, staged=bool(root)).relative_to("/"),
        uid=os.getuid(),
        runtime=config.services.runtime,
        program=config.containers.program,
    )


def state_of(uid: int | None) -> PurePosixPath:
    """Where the installation of a user keeps its state; without one, the system's."""
    if uid is None:
        return SYSTEM_STATE
    own = os.environ.get("XDG_STATE_HOME", "") if uid == os.getuid() else ""
    if own.startswith("/"):
        return PurePosixPath(own) / "llmgen" / "install"
    try:
        return PurePosixPath(pwd.getpwuid(uid).pw_dir) / ".local/state/llmgen/install"
    except KeyError:
        return PurePosixPath("/nonexistent")


def _state(place: Layout, *, staged: bool) -> PurePosixPath:
    if place.scope == "system":
        return SYSTEM_STATE
    own = os.environ.get("XDG_STATE_HOME", "")
    if own.startswith("/") and not staged:
        return PurePosixPath(own) / "llmgen" / "install"
    home = place.home or PurePosixPath(Path.home())
    return home / ".local/state/llmgen/install"


def installed(artifacts: Iterable[Artifact]) -> dict[PurePosixPath, Artifact]:
    """The artifacts that have a place on the machine, by path below the root."""
    return {
        PurePosixPath(str(item.install).lstrip("/")): item for item in artifacts if item.install
    }


def refuse_elsewhere(found: Site, wanted_os: OperatingSystem) -> None:
    """InputError when llm.toml is for another machine than this one, or another user."""
    if found.is_staged:
        return
    if wanted_os != found.os:
        raise InputError(
            Diagnostic(
                "operate.other-system",
                f"llm.toml is for {wanted_os}, and this machine runs {found.os}",
                ("hardware", "os"),
                hint="`--root DIR` writes the files for another machine",
            )
        )
    home = found.layout.home
    if found.layout.scope == "user" and home and not _same(Path(home), Path.home()):
        raise InputError(
            Diagnostic(
                "operate.other-home",
                f"llm.toml is for a user whose home is `{home}`; this user has `{Path.home()}`",
                ("paths", "home"),
                hint="run llmgen as that user, or set `home`, or use `--root DIR`",
            )
        )


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
