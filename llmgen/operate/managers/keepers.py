"""Who keeps the services of a stack up: the service manager, podman's generator, or compose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from msgspec import Struct

from llmgen.apply.changes import Action, Change
from llmgen.artifacts import Artifact
from llmgen.gateway.secrets import MANIFEST
from llmgen.operate.installation.steps import Manager
from llmgen.operate.installation.units import Impact, Unit, impact, units
from llmgen.operate.managers import compose_file, quadlet_file
from llmgen.operate.managers.compose import Compose
from llmgen.operate.managers.quadlets import Quadlets
from llmgen.operate.site import Site
from llmgen.targets import launchd, systemd


class ServiceKeeper(Struct, frozen=True):
    """One of them: the folder with its files, and how it is told."""

    folder: PurePosixPath
    manager: Manager


class RuntimeSwitch(Struct, frozen=True):
    """The services go on in another runtime; what they ran in before ends first."""

    old: str
    new: str


class KeptUnits(Struct, frozen=True):
    """A keeper, its units that are wanted, and what a change means to them."""

    manager: Manager
    known: Mapping[str, Unit]
    found: Impact


def affected(
    site: Site,
    wanted: Mapping[PurePosixPath, Artifact],
    decided: Sequence[Change],
    pending: Sequence[str],
) -> list[KeptUnits]:
    """What a change means to each keeper of the machine."""
    kept = []
    for keeper in keepers(site, wanted.values()):
        known = units(wanted.values(), keeper.folder)
        found = impact(decided, known, keeper.folder, pending)
        old = _other_program(site, keeper)
        if old is None:
            kept.append(KeptUnits(keeper.manager, known, found))
            continue
        # Both programs would have the stack: the one that leaves it ends it first.
        kept.append(KeptUnits(old, {}, Impact(gone=(str(old.file),))))
        kept.append(KeptUnits(keeper.manager, known, Impact(created=tuple(known.values()))))
    return kept


def switch(
    site: Site, wanted: Mapping[PurePosixPath, Artifact], decided: Sequence[Change]
) -> RuntimeSwitch | None:
    """Which runtime takes over from which; None where none does."""
    gone = (PurePosixPath("/", item.path) for item in decided if item.action is Action.DELETE)
    old = _runtime(site, gone)
    new = _runtime(site, (item.install for item in wanted.values() if item.install))
    return RuntimeSwitch(old, new) if old and new and old != new else None


def _runtime(site: Site, paths: Iterable[PurePosixPath]) -> str:
    """What these files run the services in; empty when none of them runs one."""
    # The guard is the machine's own in every runtime.
    places = {
        path.parent
        for path in paths
        if path.suffix in (".service", ".plist", ".container") or path.name == compose_file.NAME
        if path.name not in (systemd.unit(systemd.GUARD), f"{launchd.label(systemd.GUARD)}.plist")
    }
    layout = site.layout
    runtimes = {layout.compose: "compose", layout.quadlets: "quadlet", site.folder: "native"}
    return next((name for place, name in runtimes.items() if place in places), "")


def keepers(site: Site, artifacts: Iterable[Artifact]) -> Iterator[ServiceKeeper]:
    """Every keeper of the machine, as these files and those on the disk have it."""
    listed = [item for item in artifacts if item.install is not None]
    layout = site.layout
    yield ServiceKeeper(site.folder, site.manager)
    if site.os == "linux":
        yield ServiceKeeper(layout.quadlets, Quadlets(layout.scope, (*_networks(site, listed),)))
    if (compose := _compose(site, listed)) is not None:
        yield ServiceKeeper(layout.compose, compose)


def grouped(
    site: Site, chosen: Sequence[Unit], artifacts: Iterable[Artifact]
) -> Iterator[tuple[Manager, list[Unit]]]:
    """Units by who starts them."""
    for keeper in keepers(site, artifacts):
        own = [unit for unit in chosen if unit.path.parent == keeper.folder]
        if own:
            yield keeper.manager, own


def _networks(site: Site, listed: Sequence[Artifact]) -> Iterator[str]:
    """Names of podman's networks, of files that are wanted and of those that are there."""
    texts = {
        item.install: item.content.decode()
        for item in listed
        if item.install and item.install.parent == site.layout.quadlets
    }
    folder = Path(site.root, str(site.layout.quadlets).lstrip("/"))
    there = sorted(folder.glob("llmgen*.network"))
    found = {**{site.layout.quadlets / file.name: _text(file) for file in there}, **texts}
    names = (quadlet_file.network(path, text) for path, text in found.items())
    yield from dict.fromkeys(filter(None, names))


def _compose(site: Site, listed: Sequence[Artifact]) -> Compose | None:
    path = site.layout.compose / compose_file.NAME
    wanted = next((item.content.decode() for item in listed if item.install == path), None)
    text = wanted if wanted is not None else _installed(site, path)
    if text is None:
        return None
    manifests = (
        item.install
        for item in listed
        if item.install
        and item.install.name == MANIFEST
        and item.install.is_relative_to(site.layout.compose)
    )
    return _told(site, path, text, tuple(sorted(filter(None, manifests))))


def _told(
    site: Site, path: PurePosixPath, text: str, manifests: tuple[PurePosixPath, ...] = ()
) -> Compose:
    program = compose_file.read(path, text).program
    return Compose(program, path, manifests, rootful=site.layout.scope == "system")


def _other_program(site: Site, keeper: ServiceKeeper) -> Compose | None:
    """The keeper of the installed compose file, where another program runs it than is wanted."""
    if not isinstance(keeper.manager, Compose) or site.is_staged:
        return None
    text = _installed(site, keeper.manager.file)
    if text is None:
        return None
    old = _told(site, keeper.manager.file, text)
    return old if old.program != keeper.manager.program else None


def _installed(site: Site, path: PurePosixPath) -> str | None:
    file = Path(site.root, str(path).lstrip("/"))
    return _text(file) if file.is_file() else None


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
