"""The installed stack as the ledger and the disk have it, for what must work without a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from llmgen.apply.failure import UNREADABLE
from llmgen.apply.ledger import merged, read_ledger
from llmgen.artifacts import Artifact
from llmgen.errors import Diagnostic, InputError
from llmgen.operate.launchd import Launchd
from llmgen.operate.programs import must, run
from llmgen.operate.site import Site
from llmgen.operate.steps import Manager, Words
from llmgen.operate.units import Unit, units

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
    return units(_artifacts(site), site.folder)


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
    found = sorted((site.root / str(site.folder).lstrip("/")).glob("llmgen*"))
    return units((_artifact(site, path) for path in found if path.is_file()), site.folder)


def _artifact(site: Site, file: Path) -> Artifact:
    path = PurePosixPath(file.relative_to(site.root))
    return Artifact(path, file.read_bytes(), "", install=PurePosixPath("/", path))


def start(site: Site, wanted: Sequence[Unit]) -> None:
    """Start units; those that run already are let be."""
    _forget(site, wanted)
    for command in _start(site.manager, wanted):
        must(command)


def stop(site: Site, wanted: Sequence[Unit]) -> None:
    """Stop units; those that do not run are let be."""
    manager = site.manager
    if isinstance(manager, Launchd):
        wanted = [unit for unit in wanted if _is_known(manager, unit)]
    for command in manager.stop(wanted):
        must(command)


def restart(site: Site, wanted: Sequence[Unit]) -> None:
    """Restart units, however often that was done before."""
    _forget(site, wanted)
    for command in site.manager.restart(wanted, rewritten=False):
        must(command)


def autostart(site: Site, wanted: Sequence[Unit]) -> None:
    """Start units with the machine, or at login; nothing is started now."""
    for command in site.manager.enable(wanted):
        must(command)


def by_hand(site: Site, wanted: Sequence[Unit]) -> None:
    """Start units no longer with the machine; what runs goes on."""
    for command in site.manager.by_hand(wanted):
        must(command)


def _forget(site: Site, wanted: Sequence[Unit]) -> None:
    """Crashes count against the limit of starts, and people's wishes should not."""
    for command in site.manager.forget([unit.name for unit in wanted]):
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


def _is_known(manager: Launchd, unit: Unit) -> bool:
    return run(manager.show(unit.name), seconds=30).ok


def _artifacts(site: Site) -> Iterable[Artifact]:
    place = site.place
    for path in sorted(written(site)):
        file = place.root / path
        if PurePosixPath("/", path).parent == site.folder and file.is_file():
            yield Artifact(path, file.read_bytes(), "", install=PurePosixPath("/", path))


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
