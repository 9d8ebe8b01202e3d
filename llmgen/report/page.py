"""The report as HTML: every word and every place is settled here, templates only lay out."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from llmgen.artifacts import Render
from llmgen.plan.price import StepBack
from llmgen.report.bars import KEPT, MARKS, PARTS, Bar, bars, percent, reserve_words
from llmgen.report.charts import SHAPES, chart
from llmgen.report.report import ModelFacts, NameRoute, PoolFacts, Refusal, Report, StateFacts, Swap
from llmgen.report.tables import AMOUNTS, map_rows, missing_words, numbers, pair_words, seconds
from llmgen.units import show_size

# Words of why a state is on the page.
_TITLES = {
    "refused": "asked for, does not fit",
    "reachable": "can be in memory together",
    "start-up": "at start-up",
    "unload during a swap": "only by unloading by hand while a model loads",
}
# Names that are shown before the rest is folded.
_NAMES = 6
# So many members of a state are listed openly.
_MEMBERS = 12
# So many routes are shown openly.
_ROUTES = 60
# More models than these are laid out only where they are looked at.
_MANY = 100
# So many reasons are read at once.
_FEW = 8


class StatePanel(Struct, frozen=True):
    """One state on the page."""

    title: str
    what: str
    models: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]
    few: bool
    bars: tuple[Bar, ...]
    missing: str
    swaps: tuple[tuple[str, str, str], ...]


class Meter(Struct, frozen=True):
    """How full a pool gets at worst."""

    pool: str
    views: str
    capacity: str
    reserve: str
    used: str
    budget: str
    left: str
    over: bool
    width: str
    state: str
    declared: str


def page(report: Report, render: Render) -> bytes:
    """The whole page, one file; style is let in by its digest, scripts are not."""
    panels = tuple(_panels(report))
    style = "\n" + render("report/report.css.j2", states=range(len(panels))).decode()
    apart = [pair_words(pair) for pair in report.pairs or () if pair.verdict != "meet"]
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return render(
        "report/report.html.j2",
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'",
        style=style,
        report=report,
        verdict=_verdict(report),
        counts=_counts(report),
        meters=[_meter(pool, report) for pool in report.pools],
        panels=panels,
        unlisted=max(0, report.states_in_all - sum(s.kind == "reachable" for s in report.states)),
        kept=[(word.replace(" ", "-"), MARKS[word], told) for word, told in KEPT.items()],
        parts=_used_parts(report),
        map=[*map_rows(report)],
        apart=apart,
        few_apart=len(apart) <= _FEW,
        pairs=len(report.pairs or ()),
        wide=len(report.models) <= AMOUNTS,
        charts=[chart(item) for item in report.contexts],
        left_out=sum(bool(item.cache_type_k) for item in report.models) - len(report.contexts),
        shapes=SHAPES,
        routes=[_route(item, report) for item in report.routes],
        folded=len(report.routes) > _ROUTES,
        refusals=[_refusal(*row) for row in enumerate(report.refusals, 1)],
        steps=[_step(item) for item in report.steps],
        numbers=[*numbers(report)],
        many=len(report.models) > _MANY,
        disk=show_size(report.disk_bandwidth_bytes),
    )


def _verdict(report: Report) -> str:
    if report.fits:
        return "Everything that can meet in memory fits"
    if report.override:
        return f"Does not fit, and is generated all the same: {report.override}"
    worst = [item for item in report.refusals if item.missing_bytes]
    told = missing_words({item.pool: item.missing_bytes for item in worst})
    return f"Does not fit: {told}" if told else "Does not fit"


def _counts(report: Report) -> list[tuple[str, str]]:
    """Figures at the top: (number, what)."""
    kept = sum(item.keep != "on demand" for item in report.models)
    names = sum(len(item.names) for item in report.routes)
    found = [
        (f"{len(report.models)}", "model" if len(report.models) == 1 else "models"),
        (f"{kept}", "always in memory"),
        (f"{names}", "name that clients say" if names == 1 else "names that clients say"),
    ]
    count = sum(state.kind == "reachable" for state in report.states)
    if report.fits and report.complete and report.states_in_all <= count:
        found.append((f"{count}", "set that fits" if count == 1 else "sets that fit"))
    return found


def _meter(pool: PoolFacts, report: Report) -> Meter:
    asked = (state.used[pool.name] for state in report.states if state.kind == "refused")
    peak = max((pool.peak_bytes, *asked))
    free = pool.budget_bytes - peak
    share = peak / pool.budget_bytes if pool.budget_bytes > 0 else 1.0
    others = [view for view in pool.views if view != pool.name]
    return Meter(
        pool=pool.name,
        views=f"shared by {', '.join(pool.views)}" if others else "",
        capacity=show_size(pool.capacity_bytes),
        reserve=reserve_words(pool),
        used=show_size(peak),
        budget=show_size(pool.budget_bytes),
        left=show_size(abs(free)),
        over=free < 0,
        width=percent(min(1.0, share)),
        state=", ".join(pool.state),
        declared=", ".join(pool.declared),
    )


def _panels(report: Report) -> Iterator[StatePanel]:
    found = {item.name: item for item in report.models}
    for number, state in enumerate(report.states, 1):
        yield StatePanel(
            title=f"{number}. {_title(state, report)}",
            what=state.why or _TITLES[state.kind],
            models=tuple(_member(found[name]) for name in state.models),
            few=len(state.models) <= _MEMBERS,
            bars=bars(report, state),
            missing=missing_words(state.missing),
            swaps=tuple(map(_swap, state.swaps)),
        )


def _member(item: ModelFacts) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    sizes = ((pool, show_size(size)) for pool, size in item.footprint.items() if size)
    return MARKS[item.keep], item.name, tuple(sizes)


def _title(state: StateFacts, report: Report) -> str:
    """The models that make the difference; many are counted."""
    if state.kind == "start-up":
        return "Start-up"
    always = {item.name for item in report.models if item.keep == "always"}
    own = [name for name in state.models if name not in always] or [*state.models]
    if len(own) > 4:
        return f"{', '.join(own[:3])} and {len(own) - 3} more"
    return ", ".join(own) or "Nothing loaded"


def _swap(item: Swap) -> tuple[str, str, str]:
    """(model asked for, what goes, how long)."""
    gone = "unloads " + ", ".join(item.evicts) if item.evicts else "unloads nothing"
    if item.oldest:
        gone = "unloads whichever was used least recently"
    return item.model, gone, f"loads in {seconds(item.seconds)} or more"


def _used_parts(report: Report) -> list[tuple[str, str]]:
    seen = {part for item in report.models for found in item.parts.values() for part in found}
    return [(part, words) for part, words in PARTS.items() if part in seen]


def _route(item: NameRoute, report: Report) -> dict[str, Any]:
    addresses = {door.name: door.address for door in report.doors}
    port = f"port {item.port}" if item.port else "port assigned at start"
    loader = item.loader or (item.unit or "a service of its own")
    external = item.model not in {one.name for one in report.models}
    return {
        "model": item.model,
        "names": [(name.name, name.kind) for name in item.names[:_NAMES]],
        "more": [(name.name, name.kind) for name in item.names[_NAMES:]],
        "doors": [(door, addresses[door]) for door in item.doors],
        "loader": "elsewhere" if external else loader,
        "server": item.server,
        "port": "" if external else port,
    }


def _refusal(number: int, item: Refusal) -> dict[str, Any]:
    return {
        "label": f"Changes that fit, {number}",
        "message": spans(item.message),
        "place": item.place,
        "notes": [*map(spans, item.notes)],
        "changes": [
            (
                spans(way.edits),
                show_size(way.won_bytes) if way.won_bytes else "-",
                spans("; ".join(way.prices)),
            )
            for way in item.ways
            if way.edits
        ],
        "told": [spans(way.sentence) for way in item.ways if not way.edits],
    }


def spans(text: str) -> list[tuple[bool, str]]:
    """The text in pieces: (whether it stood between backticks, piece)."""
    return [(bool(number % 2), piece) for number, piece in enumerate(text.split("`")) if piece]


def _step(item: StepBack) -> tuple[str, ...]:
    read = show_size(item.read_bytes) if item.read_bytes else "-"
    return (
        item.model, f"{item.key} = {item.then}", item.now, item.buys, item.buys_now,
        item.buys_then, read, item.price,
    )  # fmt: skip
