"""A moment as lines for a terminal of any size; what matters most stays where room is short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from rich.text import Text

from llmgen.errors import Severity
from llmgen.operate.engines.departures import SERVES
from llmgen.operate.status.rows import HOLDS, PoolStatus, ServiceStatus
from llmgen.plan.slack import PROCESS_SLACK
from llmgen.top import figures
from llmgen.top.columns import Column, table
from llmgen.top.moment import LiveModel, Moment

# Heights from which there is room for empty lines, and for every service on a line of its own.
_AIRY: Final = 20
_TALL: Final = 30
_LEAST_MODELS: Final = 3
_BAR: Final = 20
_ODD: Final = "\N{REPLACEMENT CHARACTER}"


class Selection(Struct, frozen=True):
    """What the person has chosen: a model, and what was said about the last key."""

    chosen: str = ""
    note: str = ""
    keys: str = ""


def frame(moment: Moment, shown: Selection, width: int, height: int) -> list[Text]:
    """At most ``height`` lines of at most ``width`` cells, each character of them printable."""
    models = ordered(moment)
    foot = [Text(line) for line in (shown.note, shown.keys) if line]
    parts = [
        _spaced(_pools(moment, width), height),
        _spaced(_services(moment, width, height), height),
        _spaced(_news(moment, height), height),
    ]
    # Services, pools and news go before the models do.
    for least in (1, 0, 2):
        if 1 + sum(map(len, parts)) + len(foot) + _LEAST_MODELS + 1 > height:
            parts[least] = []
    used = 1 + sum(map(len, parts)) + len(foot) + (1 + bool(foot) if height >= _AIRY else 0)
    listed = _spaced(_models(models, shown.chosen, width, max(1, height - used - 1)), height)
    lines = [_head(moment), *parts[0], *listed, *parts[1], *parts[2]]
    lines = lines[: max(1, height - len(foot))]
    # What a person can do stands on the last line, wherever the others end.
    between = height - len(lines) - len(foot) if foot else 0
    lines = [*lines, *(Text() for _ in range(between)), *foot][:height]
    return [printable_line(line, width) for line in lines]


def printable_line(line: Text, width: int) -> Text:
    """The line within ``width`` cells, without what a terminal would obey: words of others."""
    line.plain = "".join(one if one.isprintable() else _ODD for one in line.plain)
    line.no_wrap = True
    line.truncate(max(1, width), overflow="ellipsis")
    return line


def ordered(moment: Moment) -> list[LiveModel]:
    """What is in memory first, each in the order of llm.toml."""
    return sorted(moment.models, key=lambda item: item.row.state not in (*HOLDS, *SERVES))


def _in_memory(moment: Moment) -> int:
    return sum(item.row.state in (*HOLDS, *SERVES) for item in moment.models)


def _spaced(lines: list[Text], height: int) -> list[Text]:
    return [Text(), *lines] if lines and height >= _AIRY else lines


def _head(moment: Moment) -> Text:
    held = _in_memory(moment)
    line = Text()
    line.append(moment.host or "llmgen top", style="bold")
    if moment.engine_name:
        is_well = moment.engine == "ok"
        said = "ok" if is_well else "does not answer"
        line.append(f"  {moment.engine_name} {said}", style="" if is_well else "bold red")
    line.append(f"  {held} of {len(moment.models)} models in memory")
    line.append(f"  {moment.tokens_per_second:.1f} tokens/s  {moment.at}")
    return line


def _pools(moment: Moment, width: int) -> list[Text]:
    def over(row: PoolStatus) -> str:
        if row.held is None or row.planned is None:
            return ""
        # Gateways and engine are no models, and each process may have its slack.
        slack = PROCESS_SLACK * (len(moment.services) + _in_memory(moment))
        return "bold red" if row.held > row.planned + slack else ""

    columns: tuple[Column[PoolStatus], ...] = (
        Column("pool", lambda row: row.pool),
        Column("# stack  : others", lambda row: figures.bar(row, _BAR), rank=3),
        Column("stack", lambda row: figures.size(row.held), right=True, style=over),
        Column("planned", lambda row: figures.size(row.planned), right=True),
        Column("all", lambda row: figures.size(row.used), rank=1, right=True),
        Column("for models", lambda row: figures.size(row.budget), rank=2, right=True),
        Column("of", lambda row: figures.size(row.capacity), rank=4, right=True),
    )
    return table(columns, moment.pools, width) if moment.pools else []


def _models(models: Sequence[LiveModel], chosen: str, width: int, room: int) -> list[Text]:
    names = [item.name for item in models]
    at = names.index(chosen) if chosen in names else 0
    first = max(0, min(at - room // 2, len(models) - room))
    rows = models[first : first + room]
    more = len(models) - len(rows)
    on_devices = any(item.row.device_memory_planned for item in models)
    columns: tuple[Column[LiveModel], ...] = (
        Column(f"model +{more}" if more else "model", lambda item: _name(item, chosen)),
        Column("state", lambda item: item.state, style=_state_style),
        Column("kept", _kept, rank=6),
        Column("ctx", lambda item: figures.context(item.row), rank=4, right=True),
        Column("busy", lambda item: figures.busy(item.row), rank=1, right=True, style=_busy_style),
        Column("queue", figures.queue, rank=3, right=True),
        Column("tok/s", figures.speed, rank=2, right=True),
        Column("ttl", lambda item: figures.left_of(item.ttl_left), rank=3, right=True),
        Column("host memory", lambda item: figures.host_memory(item.row), rank=5, right=True),
        *((Column("device memory", _device, rank=5, right=True),) if on_devices else ()),
        Column("left memory", figures.departure, rank=7),
    )
    return table(columns, rows, width, chosen=at - first if chosen in names else -1)


def _device(item: LiveModel) -> str:
    return figures.device_memory(item.row)


def _kept(item: LiveModel) -> str:
    return "pinned" if item.is_pinned else item.row.keep.replace("_", " ")


def _name(item: LiveModel, chosen: str) -> str:
    mark = "> " if item.name == chosen else "  "
    drift = " !" if item.row.command_is_wanted is False else ""
    return f"{mark if chosen else ''}{item.name}{drift}"


def _state_style(item: LiveModel) -> str:
    if item.state in SERVES:
        return "green"
    if item.state in ("loading", "starting", "stopping"):
        return "yellow"
    return "dim" if item.state == "unloaded" else "red"


def _busy_style(item: LiveModel) -> str:
    return "bold" if item.row.busy else ""


def _is_well(row: ServiceStatus) -> bool:
    return row.health == "ok"


def _services(moment: Moment, width: int, height: int) -> list[Text]:
    rows = sorted(moment.services, key=_is_well)
    if height < _TALL:
        told = [f"{row.name} {row.health if _is_well(row) else _trouble(row)}" for row in rows]
        return [Text(f"services: {', '.join(told)}")] if told else []
    columns: tuple[Column[ServiceStatus], ...] = (
        Column("service", lambda row: row.name),
        Column("state", lambda row: row.state),
        Column(
            "health",
            lambda row: row.health,
            style=lambda row: "green" if _is_well(row) else "red",
        ),
        Column("port", lambda row: str(row.port or figures.UNKNOWN), rank=1, right=True),
        Column("process", lambda row: str(row.pid or figures.UNKNOWN), rank=3, right=True),
        Column("restarts", lambda row: str(row.restarts), rank=2, right=True),
        Column("memory", lambda row: figures.size(row.memory or None), rank=1, right=True),
        Column("limit", lambda row: figures.size(row.memory_max or None), rank=4, right=True),
    )
    return table(columns, rows[: max(3, height // 5)], width)


def _trouble(row: ServiceStatus) -> str:
    """Its state where nothing answers, since that says more."""
    return row.state if row.state in ("absent", "unknown") else f"{row.state}, {row.health}"


def _news(moment: Moment, height: int) -> list[Text]:
    """Who left last, and what is not as the plan wants it."""
    lines = []
    last = moment.last_departure
    if last is not None:
        lines.append(Text(f"left memory: {last.name}: {figures.departure(last)}"))
    told = (item for item in moment.findings if item.severity is not Severity.NOTE)
    wrong = sorted(told, key=lambda item: item.severity is not Severity.ERROR)
    rows = wrong[: 6 if height >= _TALL else 1]
    for item in rows:
        colour = "red" if item.severity is Severity.ERROR else "yellow"
        line = Text(f"{item.severity.value}: ", style=colour)
        lines.append(line.append(item.message, style="default"))
    if len(wrong) > len(rows):
        lines.append(Text(f"and {len(wrong) - len(rows)} more; `llmgen status` tells all"))
    return lines
