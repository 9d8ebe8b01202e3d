"""``llmgen status``: wanted, written, running, and what is different."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import click

from llmgen.apply.failure import UNREADABLE
from llmgen.cli.asking import asking
from llmgen.cli.boundary import Session, command
from llmgen.cli.host_answers import ShownRows
from llmgen.cli.installing import wanted_tree
from llmgen.cli.on_cluster import on_cluster
from llmgen.cli.on_hosts import on_hosts
from llmgen.cli.options import FileNameParam
from llmgen.cli.outcome import Outcome
from llmgen.cli.pipeline import known_plan, read, unknown_models
from llmgen.errors import InputError
from llmgen.units import show_size

if TYPE_CHECKING:
    from rich.table import Table

    from llmgen.artifacts import Artifact
    from llmgen.cli.pipeline import Read
    from llmgen.errors import Diagnostic
    from llmgen.operate.status.asking import Asking
    from llmgen.operate.status.comparison import Standing, WrittenFiles
    from llmgen.operate.status.probe import Probe
    from llmgen.operate.status.rows import DeviceStatus, ModelStatus, ServiceStatus
    from llmgen.plan.plan import Plan


@command(short_help="wanted, written, running: what is different")
@on_cluster("llmgen.cli.cluster_look:status")
@click.option("--probe", is_flag=True, help="Ask each loaded chat model for a few tokens.")
@click.option("--prometheus", is_flag=True, help="As figures in Prometheus' text format.")
@click.option(
    "-o",
    "--output",
    type=FileNameParam(),
    metavar="FILE",
    help="With --prometheus: into this file (`llmgen.prom`), whole or not at all.",
)
@on_hosts(
    ShownRows("services", ("name", "state", "health", "port")),
    ShownRows("models", ("name", "state", "context")),
    here_only=("prometheus", "output"),
)
def cli(session: Session, *, probe: bool, prometheus: bool, output: str | None) -> Outcome:
    """Compare llm.toml with the installed files and with what runs.

    `--probe` streams a few tokens from each chat model that is in memory, by its own server and by
    the gateway, and counts the pieces in which they come; it loads nothing.

    `--prometheus` prints services, models, pools and differences for the collector `textfile` of
    node_exporter (`-o FILE` in its folder), and exits with 0 whatever it found.

    With [kubernetes]: the pods of each unit, on which nodes, and why those are not ready that are
    not.

    Exits with 0 when all three agree and every service answers, with 1 when something differs, with
    4 when no service manager answers that would know, or this user may not see what is installed.
    """
    from llmgen.operate.status import truth
    from llmgen.operate.status.comparison import standing
    from llmgen.operate.status.probe import probes
    from llmgen.operate.status.probe import remarks as probe_remarks

    if output and not prometheus:
        raise click.UsageError("`-o` is for `--prometheus`")
    found = read(session)
    placed = known_plan(found)
    who = asking(found)
    unknown = unknown_models(found, placed)
    seen = standing(placed, who, compared(rendered(session, found, placed), who, unknown))
    if prometheus:
        return _figures(found, placed, seen, output)
    probed = [*probes(placed, seen.models, seen.services)] if probe else []
    differences = [*seen.differences, *probe_remarks(probed)]
    installed = bool(seen.written.known) if seen.written.hidden is None else None
    data = {
        "installed": installed,
        "services": seen.services,
        "models": seen.models,
        "devices": seen.devices,
        "engine": seen.seen.engine_health,
        **({"probes": probed} if probe else {}),
    }
    return Outcome(
        data,
        text=partial(_show, seen.services, seen.models, seen.devices, probed),
        ok=truth.is_well(differences),
        diagnostics=(*unknown, *differences),
        exit_code=_unknown(differences, incomplete=bool(unknown)),
    )


def _figures(found: Read, placed: Plan, seen: Standing, output: str | None) -> Outcome:
    """The same for Prometheus; a file is replaced whole, since it may be read at any time."""
    import time

    import psutil

    from llmgen.layout import layout
    from llmgen.operate.guard.unloads import unloads
    from llmgen.operate.status.exposition import FoundStack, exposition
    from llmgen.targets.accounts import state_folder

    services = found.config.services
    state = state_folder(services, layout(found.config.paths, services.scope), "guard")
    memory = psutil.virtual_memory()
    told = FoundStack(
        seen.services,
        seen.models,
        seen.devices,
        seen.differences,
        memory.total - memory.available,
        unloads(Path(state)),
        time.time(),
    )
    text = exposition(placed, told)
    if output is None:
        return Outcome({"text": text}, text=text)
    _replace(Path(output), text.encode())
    return Outcome({"path": output, "text": text}, said=f"wrote {output}")


def _replace(path: Path, content: bytes) -> None:
    from llmgen.apply import files
    from llmgen.cli.writing import unwritable

    try:
        files.remove_file(files.temporary(path), durable=False)
        # Whoever reads it is another user.
        files.write_file(path, content, 0o644, durable=False)
    except OSError as error:
        # Not the file beside it that is written first.
        raise unwritable(str(path), OSError(error.errno, error.strerror)) from error


def rendered(session: Session, found: Read, placed: Plan) -> Mapping[PurePosixPath, Artifact]:
    """What llm.toml renders to now, where it is installed."""
    from llmgen.operate.site import installed

    return installed(wanted_tree(found, placed, session))


def compared(
    files: Mapping[PurePosixPath, Artifact], who: Asking, unknown: Sequence[Diagnostic]
) -> WrittenFiles:
    """The installed files beside those; files of a part of llm.toml are not those of all of it."""
    from msgspec.structs import replace

    from llmgen.operate.status.comparison import written_beside

    found = written_beside(files, who.site)
    return replace(found, decided=()) if unknown else found


def _unknown(found: Sequence[Diagnostic], *, incomplete: bool) -> int | None:
    """The exit code of what cannot be found out, when nothing else is wrong."""
    from llmgen.errors import Severity

    errors = {item.code for item in found if item.severity is Severity.ERROR}
    unknown = {"operate.no-manager", "operate.no-runtime", UNREADABLE}
    if errors <= unknown and (errors or incomplete):
        return InputError.exit_code
    return None


def _show(
    rows: Sequence[ServiceStatus],
    models: Sequence[ModelStatus],
    devices: Sequence[DeviceStatus],
    probed: Sequence[Probe],
) -> None:
    from llmgen.cli.drawing import echo, table_of

    services = table_of("service", "state", "health", ">port", ">process", ">memory")
    for row in rows:
        process = str(row.pid or "-")
        services.add_row(
            row.name, row.state, row.health, str(row.port or "-"), process, _memory(row)
        )
    listed = table_of("model", "kept", "state", ">context", ">busy", ">host memory")
    for model in models:
        listed.add_row(
            model.name,
            model.keep.replace("_", " "),
            model.state,
            str(model.context or "-"),
            f"{model.busy}/{model.slots}" if model.slots else "-",
            f"{_size(model.memory)} of {show_size(model.memory_planned)}",
        )
    echo(services, "", listed)
    if devices:
        echo("", _held(models, devices))
    if probed:
        echo("", _answered(probed))


def _answered(probed: Sequence[Probe]) -> Table:
    from llmgen.cli.drawing import table_of

    table = table_of("probed model", "by", ">pieces", ">tokens", ">first after")
    for item in probed:
        first = f"{item.first_seconds:.2f} s" if item.chunks else "-"
        table.add_row(item.model, item.way, str(item.chunks), str(item.tokens or "-"), first)
    return table


def _held(models: Sequence[ModelStatus], devices: Sequence[DeviceStatus]) -> Table:
    """Device memory: of each device, and of each model whose driver tells it."""
    from llmgen.cli.drawing import table_of

    held = table_of("device memory", ">used", ">plan of what runs", ">capacity")
    for device in devices:
        sizes = (device.used, device.planned, device.capacity)
        held.add_row(device.device, *("-" if size is None else show_size(size) for size in sizes))
    for model in models:
        if model.device_memory is not None:
            planned = show_size(model.device_memory_planned)
            held.add_row(model.name, show_size(model.device_memory), planned, "")
    return held


def _memory(row: ServiceStatus) -> str:
    limit = f" of {show_size(row.memory_max)}" if row.memory_max else ""
    return f"{_size(row.memory)}{limit}"


def _size(size: int) -> str:
    return show_size(size) if size else "-"
