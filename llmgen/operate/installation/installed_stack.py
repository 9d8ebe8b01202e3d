"""The installed stack as the ledger and the disk have it, for what must work without a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from llmgen.apply.failure import UNREADABLE
from llmgen.apply.ledger import merged, read_ledger
from llmgen.artifacts import Artifact
from llmgen.errors import Diagnostic, InputError
from llmgen.gateway.secrets import MANIFEST
from llmgen.operate.installation.steps import Manager, Words
from llmgen.operate.installation.units import Unit, units
from llmgen.operate.managers.compose import Compose
from llmgen.operate.managers.containers import states
from llmgen.operate.managers.keepers import grouped
from llmgen.operate.managers.launchd import Launchd
from llmgen.operate.managers.quadlets import Quadlets
from llmgen.operate.programs import must, run
from llmgen.operate.site import Site

NOTHING = Diagnostic(
    "operate.nothing-installed",
    "nothing is installed",
    hint="`llmgen install`; or `llmgen up --foreground` to try the stack in this terminal",
)


def is_installed(site: Site) -> bool:
    """Whether the ledger lists anything."""
    return bool(written(site))


def may_be_installed(site: Site) -> bool:
    """The same; the system's ledger is root's to read, and for others something may be there."""
    try:
        return is_installed(site)
    except InputError as error:
        if error.diagnostics[0].code != UNREADABLE:
            raise
        return True


def written(site: Site) -> frozenset[PurePosixPath]:
    """The paths that install wrote, below the root."""
    place = site.place
    return frozenset(merged(read_ledger(place.ledger), read_ledger(place.journal)))


def installed_units(site: Site) -> dict[str, Unit]:
    """The units that install wrote, in the order of their paths."""
    return _of_folders(site, _artifacts(site))


def is_contained(site: Site) -> bool:
    """Whether the installed services run in containers."""
    return any(unit.path.parent != site.folder for unit in installed_units(site).values())


def chosen(site: Site, names: Sequence[str]) -> list[Unit]:
    """The units that start, or those of these names; InputError for a name that is none."""
    known = _known_units(site)
    if known is None:
        raise InputError(NOTHING)
    if not names:
        return [unit for unit in known.values() if unit.starts]
    return [_named(known.values(), name) for name in names]


def _known_units(site: Site) -> dict[str, Unit] | None:
    """The installed units; None when nothing is installed."""
    try:
        return installed_units(site) if is_installed(site) else None
    except InputError as error:
        if error.diagnostics[0].code != UNREADABLE:
            raise
    # The system's list of files is root's to read. Its units are everybody's, and only root puts
    # files with llmgen's name there.
    places = [site.root / str(folder).lstrip("/") for folder in site.folders]
    found = [path for place in places for path in sorted(place.glob("llmgen*")) if path.is_file()]
    return _of_folders(site, [_artifact(site, path) for path in found])


def _of_folders(site: Site, artifacts: Iterable[Artifact]) -> dict[str, Unit]:
    listed = [*artifacts]
    return {name: unit for folder in site.folders for name, unit in units(listed, folder).items()}


def _artifact(site: Site, file: Path) -> Artifact:
    path = PurePosixPath(file.relative_to(site.root))
    return Artifact(path, file.read_bytes(), "", install=PurePosixPath("/", path))


def start(site: Site, wanted: Sequence[Unit]) -> None:
    """Start units; those that run already are let be."""
    for manager, own in _grouped(site, wanted):
        _forget(manager, own)
        for command in _start(manager, own):
            must(command)


def stop(site: Site, wanted: Sequence[Unit]) -> None:
    """Stop units, what was started last first; those that do not run are let be."""
    every = installed_units(site) if may_read(site) else {}
    for manager, own in reversed([*_grouped(site, wanted)]):
        listed = [unit for unit in own if _is_known(manager, unit)] if _is_launchd(manager) else own
        for command in manager.stop(listed):
            must(command)
        if isinstance(manager, Quadlets) and {unit.name for unit in own} >= _started(site, every):
            for command in _networks(manager, every):
                run(command)


def restart(site: Site, wanted: Sequence[Unit]) -> None:
    """Restart units, however often that was done before."""
    for manager, own in _grouped(site, wanted):
        _forget(manager, own)
        alone = _left_by_hand(manager, own)
        for command in manager.restart(own, rewritten=False):
            must(command)
        if alone:
            # A container that is made anew has what the file says.
            for command in manager.by_hand(alone):
                must(command)


def _left_by_hand(manager: Manager, wanted: Sequence[Unit]) -> list[Unit]:
    """The containers of compose that `disable` left to be started by hand."""
    if not isinstance(manager, Compose):
        return []
    seen = states(manager.program, [unit.name for unit in wanted])
    return [unit for unit in wanted if unit.name in seen and not seen[unit.name].is_enabled]


def autostart(site: Site, wanted: Sequence[Unit]) -> None:
    """Start units with the machine, or at login; nothing is started now."""
    for manager, own in _grouped(site, wanted):
        if isinstance(manager, Quadlets):
            # What their files say holds again as soon as the target does.
            continue
        commands = manager.by_itself(own) if isinstance(manager, Compose) else manager.enable(own)
        for command in commands:
            must(command)


def by_hand(site: Site, wanted: Sequence[Unit]) -> None:
    """Start units no longer with the machine; what runs goes on."""
    groups = [*_grouped(site, wanted)]
    whole = any(unit.name.endswith(".target") for unit in wanted)
    for manager, own in groups:
        if isinstance(manager, Quadlets) and whole:
            continue
        for command in manager.by_hand(own):
            must(command)


def manifests(site: Site) -> list[PurePosixPath]:
    """What `llmgen keys` fills for containers, which have no command before their start."""
    found = (item.install for item in _artifacts(site) if item.path.name == MANIFEST)
    return [path for path in found if path is not None]


def _grouped(site: Site, wanted: Sequence[Unit]) -> Iterator[tuple[Manager, list[Unit]]]:
    artifacts = [*_artifacts(site)] if may_read(site) else []
    return grouped(site, wanted, artifacts)


def may_read(site: Site) -> bool:
    """Whether this user may see what is installed."""
    try:
        written(site)
    except InputError as error:
        if error.diagnostics[0].code != UNREADABLE:
            raise
        return False
    return True


def _started(site: Site, every: Mapping[str, Unit]) -> set[str]:
    """The units of podman's generator that `up` starts."""
    quadlets = (unit for unit in every.values() if unit.path.parent == site.layout.quadlets)
    return {unit.name for unit in quadlets if unit.starts}


def _networks(manager: Quadlets, every: Mapping[str, Unit]) -> Iterator[Words]:
    """What removes the networks once nothing is in them; they are made anew at the next start."""
    names = [name for name in every if name.endswith("-network.service")]
    yield from manager.disable(names)


def _forget(manager: Manager, wanted: Sequence[Unit]) -> None:
    """Crashes count against the limit of starts, and people's wishes should not."""
    for command in manager.forget([unit.name for unit in wanted]):
        run(command)


def _start(manager: Manager, wanted: Sequence[Unit]) -> Iterator[Words]:
    """Commands; launchd does not bootstrap what it has already, so that is kicked."""
    if not isinstance(manager, Launchd):
        yield from manager.start(wanted)
        return
    for unit in wanted:
        if _is_known(manager, unit):
            yield ("launchctl", "kickstart", manager.service(unit.name))
        else:
            yield from manager.start([unit])


def _is_launchd(manager: Manager) -> bool:
    return isinstance(manager, Launchd)


def _is_known(manager: Manager, unit: Unit) -> bool:
    return isinstance(manager, Launchd) and run(manager.show(unit.name), seconds=30).ok


def _artifacts(site: Site) -> Iterable[Artifact]:
    place = site.place
    for path in sorted(written(site)):
        file = place.root / path
        if _is_of_keeper(site, PurePosixPath("/", path)) and file.is_file():
            yield Artifact(path, file.read_bytes(), "", install=PurePosixPath("/", path))


def _is_of_keeper(site: Site, path: PurePosixPath) -> bool:
    """Whether a file starts services, or says which keys they need."""
    manifest = path.name == MANIFEST and path.is_relative_to(site.layout.compose)
    return path.parent in site.folders or manifest


def _named(known: Iterable[Unit], name: str) -> Unit:
    listed = [*known]
    for unit in listed:
        if name in _names(unit):
            return unit
    names = ", ".join(min(_names(unit), key=len) for unit in listed)
    raise InputError(
        Diagnostic("operate.no-service", f"there is no service `{name}`", hint=f"known: {names}")
    )


def _names(unit: Unit) -> tuple[str, ...]:
    """`llmgen-model-x.service`, `llmgen-model-x`, `model-x`, `x`; labels likewise; programs."""
    stem = unit.name.rsplit(".", 1)[0] if "." in unit.name and "/" not in unit.name else unit.name
    last = unit.name.rsplit(".", 1)[-1]
    short = [text.removeprefix("llmgen-") for text in (stem, last)]
    program = ("llama-swap",) if "swap" in short else ()
    return (unit.name, stem, *short, *(text.removeprefix("model-") for text in short), *program)
