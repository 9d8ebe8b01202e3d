"""What a set of installed files means to a service manager: units, and who uses which file."""

from __future__ import annotations

import plistlib
import xml.parsers.expat
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from msgspec import Struct

from llmgen.apply.changes import Action, Change
from llmgen.artifacts import Artifact

_SYSTEMD = (".service", ".socket", ".target", ".timer", ".path", ".slice")
# Envoy's dry run looks at a file that the running Envoy never reads.
_CHECK = "--mode validate"
_ALTERS = (Action.CREATE, Action.UPDATE, Action.DELETE)


class Unit(Struct, frozen=True):
    """A unit or agent: its name for the manager, where its file is, and what the file says.

    ``starts`` says that ``up`` starts it (the rest is started by a timer or by another unit);
    ``reloads`` that it can take a new configuration without a restart.
    """

    name: str
    path: PurePosixPath
    text: str
    starts: bool
    reloads: bool = False

    def uses(self, path: PurePosixPath) -> bool:
        """Whether the unit's file names ``path``, other than to check it before a start."""
        lines = self.text.splitlines()
        return any(str(path) in line for line in lines if _CHECK not in line)


class Impact(Struct, frozen=True):
    """Units by what the changes mean to them; a unit is in one group only."""

    created: tuple[Unit, ...] = ()
    changed: tuple[Unit, ...] = ()
    touched: tuple[Unit, ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether any unit is affected."""
        return bool(self.created or self.changed or self.touched or self.gone)


def units(artifacts: Iterable[Artifact], folder: PurePosixPath) -> dict[str, Unit]:
    """The units among the artifacts that install into ``folder``, by name, in path order."""
    found = (_unit(item) for item in artifacts if item.install and item.install.parent == folder)
    return {unit.name: unit for unit in found if unit is not None}


def impact(
    decided: Iterable[Change],
    known: Mapping[str, Unit],
    folder: PurePosixPath,
    pending: Iterable[str] = (),
) -> Impact:
    """Sort the units by what the changes do to them; ``pending`` ones count as changed."""
    altered = {PurePosixPath("/", item.path): item.action for item in decided if _alters(item)}
    own = {unit.name: altered.get(unit.path) for unit in known.values()}
    dropped = {path.parent.name.removesuffix(".d") for path in altered if path.suffix == ".conf"}
    created = [unit for unit in known.values() if own[unit.name] is Action.CREATE]
    changed = [
        unit
        for unit in known.values()
        if unit not in created
        and (own[unit.name] or unit.name in dropped or unit.name in {*pending})
    ]
    touched = [
        unit
        for unit in known.values()
        if unit not in created and unit not in changed and any(map(unit.uses, altered))
    ]
    return Impact(tuple(created), tuple(changed), tuple(touched), _gone(altered, folder))


def _alters(change: Change) -> bool:
    return change.action in _ALTERS


def _gone(altered: Mapping[PurePosixPath, Action], folder: PurePosixPath) -> tuple[str, ...]:
    return tuple(
        unit_name(path)
        for path, action in altered.items()
        if action is Action.DELETE and path.parent == folder and is_unit(path)
    )


def is_unit(path: PurePosixPath) -> bool:
    """Whether a file of this name is a unit or an agent."""
    return path.suffix in (*_SYSTEMD, ".plist")


def unit_name(path: PurePosixPath) -> str:
    """What the manager calls the file: launchd takes the label, systemd the file's name."""
    return path.stem if path.suffix == ".plist" else path.name


def _unit(artifact: Artifact) -> Unit | None:
    path = artifact.install
    if path is None or not is_unit(path):
        return None
    text = artifact.content.decode()
    if path.suffix == ".plist":
        return Unit(_label(artifact, path), path, text, starts=True)
    # A template has no instance to start.
    starts = "\n[Install]\n" in text and "@." not in path.name
    return Unit(path.name, path, text, starts, reloads="\nExecReload=" in text)


def _label(artifact: Artifact, path: PurePosixPath) -> str:
    try:
        return str(plistlib.loads(artifact.content)["Label"])
    except (KeyError, plistlib.InvalidFileException, xml.parsers.expat.ExpatError):
        return path.stem
