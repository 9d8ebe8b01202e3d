"""Wanted, written, running: one look at all three, and what is different between them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from msgspec import Struct
from msgspec.structs import replace

from llmgen.apply.changes import NO_WAYS, Change
from llmgen.apply.failure import UNREADABLE
from llmgen.artifacts import Artifact
from llmgen.errors import Diagnostic, InputError
from llmgen.operate.installation.install import prepare
from llmgen.operate.installation.installed_stack import NOTHING, written
from llmgen.operate.installation.privilege import as_root
from llmgen.operate.managers.by_cron import is_by_cron
from llmgen.operate.managers.crontab import without_units
from llmgen.operate.site import Site
from llmgen.operate.status import rows, truth
from llmgen.operate.status.asking import Asking
from llmgen.operate.status.observations import Observed
from llmgen.operate.status.rows import DeviceStatus, ExpectedService, ModelStatus, ServiceStatus
from llmgen.operate.status.stack import as_run, expected, observe
from llmgen.plan.plan import Plan


class WrittenFiles(Struct, frozen=True):
    """Installed files beside the wanted ones; ``hidden``: why this user may not see them."""

    known: frozenset[PurePosixPath] = frozenset()
    decided: tuple[Change, ...] = ()
    by_cron: bool = False
    hidden: Diagnostic | None = None


class Standing(Struct, frozen=True):
    """What was seen, as rows, and everything that is not as the plan wants it."""

    written: WrittenFiles
    seen: Observed
    services: tuple[ServiceStatus, ...]
    models: tuple[ModelStatus, ...]
    devices: tuple[DeviceStatus, ...]
    differences: tuple[Diagnostic, ...]


def written_beside(rendered: Mapping[PurePosixPath, Artifact], here: Site) -> WrittenFiles:
    """What is installed, beside what llm.toml renders to."""
    try:
        known, by_cron = written(here), is_by_cron(here)
    except InputError as error:
        if error.diagnostics[0].code != UNREADABLE:
            raise
        # The units, ports and answers of the system's services are everybody's to see.
        hint = f"{as_root('llmgen status')} compares the files, too"
        return WrittenFiles(frozenset(rendered), hidden=replace(error.diagnostics[0], hint=hint))
    if by_cron:
        rendered = without_units(rendered, here.folder)
    return WrittenFiles(known, prepare(here, rendered, NO_WAYS).changes, by_cron)


def standing(placed: Plan, asking: Asking, compared: WrittenFiles) -> Standing:
    """Look once; of a stack that is another llm.toml's there is nothing to compare."""
    here = asking.site
    wanted = _services(placed, here, compared)
    run = as_run(placed, here)
    seen = observe(run, asking, wanted)
    if seen.another is not None:
        compared, seen = WrittenFiles(), replace(seen, no_manager=None)
    services = tuple(rows.services(wanted, seen))
    differences = (*truth.findings(run, wanted, compared.decided, compared.known, seen),)
    return Standing(
        compared,
        seen,
        services,
        tuple(rows.models(run, seen)),
        tuple(rows.devices(placed, seen)),
        _with_absence(differences, services, compared, seen),
    )


def _services(placed: Plan, here: Site, compared: WrittenFiles) -> list[ExpectedService]:
    wanted = expected(placed, here)
    return [replace(item, unit="") for item in wanted] if compared.by_cron else wanted


def _with_absence(
    differences: tuple[Diagnostic, ...],
    services: tuple[ServiceStatus, ...],
    compared: WrittenFiles,
    seen: Observed,
) -> tuple[Diagnostic, ...]:
    runs = any(row.state != "absent" for row in services)
    if compared.hidden is not None:
        return (*differences, compared.hidden)
    if not compared.known and not runs and seen.another is None:
        return (NOTHING, *differences)
    return differences
