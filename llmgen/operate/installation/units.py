"""What a set of installed files means to who starts them: units, and who uses which file."""

from __future__ import annotations

import plistlib
import xml.parsers.expat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from msgspec import Struct

from llmgen.apply.changes import Action, Change
from llmgen.artifacts import Artifact
from llmgen.operate.managers import compose_file, quadlet_file

_SYSTEMD = (".service", ".socket", ".target", ".timer", ".path", ".slice")
# Envoy's dry run looks at a file that the running Envoy never reads.
_CHECK = "--mode validate"
_ALTERS = (Action.CREATE, Action.UPDATE, Action.DELETE)


class Unit(Struct, frozen=True):
    """A unit, agent or service of compose: its manager's name for it, its file, what that says.

    ``starts`` says that ``up`` starts it (the rest is started by a timer or by another unit);
    ``reloads`` that it can take a new configuration without a restart. ``mounts`` are files and
    folders of the machine that its container sees. ``program`` runs the compose file that it is of,
    ``siblings`` are all services of that one and ``service`` is its name there.
    """

    name: str
    path: PurePosixPath
    text: str
    starts: bool
    reloads: bool = False
    mounts: tuple[PurePosixPath, ...] = ()
    program: str = ""
    service: str = ""
    siblings: tuple[str, ...] = ()

    def uses(self, path: PurePosixPath) -> bool:
        """Whether the unit's file names ``path``, other than to check it before a start."""
        if any(path.is_relative_to(place) for place in self.mounts):
            return True
        lines = self.text.splitlines()
        return any(str(path) in line for line in lines if _CHECK not in line)


class Impact(Struct, frozen=True):
    """Units by what the changes mean to them; a unit is in one group only.

    But for compose's: a service may be changed, and touched by another file as well.
    """

    created: tuple[Unit, ...] = ()
    changed: tuple[Unit, ...] = ()
    touched: tuple[Unit, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The units that are wanted and affected."""
        return tuple(unit.name for unit in (*self.created, *self.changed, *self.touched))

    def __bool__(self) -> bool:
        """Whether any unit is affected."""
        return bool(self.created or self.changed or self.touched or self.gone)


def units(artifacts: Iterable[Artifact], folder: PurePosixPath) -> dict[str, Unit]:
    """The units among the artifacts that install into ``folder``, by name, in path order."""
    found = (item for item in artifacts if item.install and item.install.parent == folder)
    return {unit.name: unit for item in found for unit in _units(item)}


def impact(
    decided: Iterable[Change],
    known: Mapping[str, Unit],
    folder: PurePosixPath,
    pending: Iterable[str] = (),
) -> Impact:
    """Sort the units by what the changes do to them; ``pending`` ones count as changed."""
    altered = {PurePosixPath("/", item.path): item.action for item in decided if _alters(item)}
    own = {unit.name: _own(unit, altered) for unit in known.values()}
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
        # Compose sees that its own file changed, and not that one did which a service mounts.
        if unit not in created and (unit not in changed or unit.program)
        if any(map(unit.uses, altered))
    ]
    return Impact(tuple(created), tuple(changed), tuple(touched), _gone(altered, folder))


def _own(unit: Unit, altered: Mapping[PurePosixPath, Action]) -> Action | None:
    """What happens to the unit's own file; of compose's, to the values beside it as well."""
    found = altered.get(unit.path)
    if found is None and unit.program and unit.path.with_name(compose_file.VALUES) in altered:
        return Action.UPDATE
    return found


def _alters(change: Change) -> bool:
    return change.action in _ALTERS


def _gone(altered: Mapping[PurePosixPath, Action], folder: PurePosixPath) -> tuple[str, ...]:
    return tuple(
        unit_name(path)
        for path, action in altered.items()
        if action is Action.DELETE and path.parent == folder and is_unit(path)
    )


def is_unit(path: PurePosixPath) -> bool:
    """Whether a file of this name is a unit, an agent, a quadlet or a compose file."""
    is_own = path.suffix in (*_SYSTEMD, ".plist") or quadlet_file.is_one(path)
    return is_own or path.name == compose_file.NAME


def unit_name(path: PurePosixPath) -> str:
    """What the manager calls the file: launchd takes the label, systemd the file's name.

    podman's generator makes a service of each quadlet; a compose file is called by its path.
    """
    if path.name == compose_file.NAME:
        return str(path)
    if quadlet_file.is_one(path):
        return quadlet_file.service(path)
    return path.stem if path.suffix == ".plist" else path.name


def _units(artifact: Artifact) -> Iterator[Unit]:
    path = artifact.install
    if path is None or not is_unit(path):
        return
    text = artifact.content.decode()
    if path.name == compose_file.NAME:
        yield from _of_compose(path, text)
        return
    # A template has no instance to start.
    starts = "\n[Install]\n" in text and "@." not in path.name
    reloads = "\nExecReload=" in text
    if path.suffix == ".plist":
        yield Unit(_label(artifact, path), path, text, starts=True)
    elif quadlet_file.is_one(path):
        mounts = tuple(quadlet_file.mounts(text))
        yield Unit(unit_name(path), path, text, starts, reloads, mounts)
    else:
        yield Unit(path.name, path, text, starts, reloads)


def _of_compose(path: PurePosixPath, text: str) -> Iterator[Unit]:
    file = compose_file.read(path, text)
    names = tuple(item.name for item in file.services)
    for item in file.services:
        yield Unit(
            item.container,
            path,
            item.text,
            starts=True,
            mounts=item.mounts,
            program=file.program,
            service=item.name,
            siblings=names,
        )


def _label(artifact: Artifact, path: PurePosixPath) -> str:
    try:
        return str(plistlib.loads(artifact.content)["Label"])
    except (KeyError, plistlib.InvalidFileException, xml.parsers.expat.ExpatError):
        return path.stem
