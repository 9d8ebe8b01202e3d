"""The map of every two models, and each model's numbers, in words for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from llmgen.report.bars import KEPT, MARKS, PARTS, basis_words
from llmgen.report.charts import tokens
from llmgen.report.report import ModelFacts, ModelPair, Report
from llmgen.units import GIB, show_size

# Amounts stand in the cells of a map of so many models, else in the list below it alone.
AMOUNTS = 10


class PairCell(Struct, frozen=True):
    """What one model is to another: a class, a mark, a short amount, the whole sentence."""

    kind: str
    mark: str
    amount: str
    words: str


class MapRow(Struct, frozen=True):
    """One model against all."""

    number: int
    name: str
    keep: str
    cells: tuple[PairCell, ...]


class PoolPart(Struct, frozen=True):
    """One part of a model on a pool."""

    part: str
    words: str
    size: str


class PoolShare(Struct, frozen=True):
    """What a model takes of a pool."""

    pool: str
    size: str
    parts: tuple[PoolPart, ...]


class Numbers(Struct, frozen=True):
    """All numbers of one model."""

    name: str
    title: str
    mark: str
    kept: str
    facts: tuple[str, ...]
    basis: str
    basis_told: str
    shares: tuple[PoolShare, ...]
    servers: int
    origins: tuple[tuple[str, str, str], ...]
    reasons: tuple[tuple[str, str, str], ...]
    measured: tuple[str, ...]
    left: tuple[tuple[str, str, bool], ...]
    load: str


def seconds(value: float) -> str:
    """A duration of a load as people say it."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def map_rows(report: Report) -> Iterator[MapRow]:
    """Every model against all, in llm.toml's order."""
    if report.pairs is None:
        return
    found: dict[tuple[str, str], ModelPair] = {}
    for pair in report.pairs:
        found[pair.one, pair.other] = found[pair.other, pair.one] = pair
    for number, item in enumerate(report.models, 1):
        cells = (_cell(found.get((item.name, other.name)), item, report) for other in report.models)
        yield MapRow(number, item.name, MARKS[item.keep], tuple(cells))


def _cell(pair: ModelPair | None, item: ModelFacts, report: Report) -> PairCell:
    if pair is None:
        missing = {pool: -size for pool, size in item.left.items() if size < 0}
        if missing:
            words = f"{item.name} alone: {missing_words(missing)}"
            return PairCell("no", "✕", _short(missing, report), words)
        return PairCell("self", "", "", item.name)
    if pair.verdict == "meet":
        return PairCell("yes", "✓", "", pair_words(pair))
    amount = _short(pair.missing, report) if pair.missing else ""
    return PairCell("no", "✕", amount, pair_words(pair))


def _short(missing: Mapping[str, int], report: Report) -> str:
    return f"{max(missing.values()) / GIB:.1f}" if len(report.models) <= AMOUNTS else ""


def missing_words(missing: Mapping[str, int]) -> str:
    """``6.2 GiB missing on gpu0``."""
    return " and ".join(f"{show_size(size)} missing on {pool}" for pool, size in missing.items())


def pair_words(pair: ModelPair) -> str:
    """Why two models meet, or not."""
    both = f"{pair.one} with {pair.other}: "
    match pair.verdict:
        case "meet":
            return f"{both}fit together"
        case "memory":
            return both + missing_words(pair.missing)
        case "wish":
            return f"{both}llm.toml never wants them together"
        case "engine":
            return f"{both}would fit, but what loads them keeps only one of them"


def numbers(report: Report) -> Iterator[Numbers]:
    """Every model, in llm.toml's order."""
    return (_numbers(item) for item in report.models)


def _numbers(item: ModelFacts) -> Numbers:
    return Numbers(
        name=item.name,
        title=item.title,
        mark=MARKS[item.keep],
        kept=KEPT[item.keep],
        facts=tuple(_facts(item)),
        basis=basis_words(item),
        basis_told=_basis_told(item),
        shares=tuple(
            PoolShare(
                pool,
                show_size(size),
                tuple(
                    PoolPart(part, words, show_size(item.parts[pool][part]))
                    for part, words in PARTS.items()
                    if item.parts.get(pool, {}).get(part)
                ),
            )
            for pool, size in item.footprint.items()
            if size
        ),
        servers=item.servers,
        origins=tuple((device, what, f"{size:,}") for device, what, size in item.origins if size),
        reasons=tuple((why.key, why.value, why.why) for why in item.reasons),
        measured=tuple(one.line() for one in item.measured),
        left=tuple((pool, show_size(abs(size)), size < 0) for pool, size in item.left.items()),
        load=seconds(item.load_seconds),
    )


def _facts(item: ModelFacts) -> Iterator[str]:
    yield from item.card
    yield f"{item.role} on {', '.join(item.devices) or 'the host'}, by {item.engine}"
    if item.n_ctx:
        slots = f" for each of {item.parallel} requests" if item.parallel > 1 else ""
        yield f"context {tokens(item.n_ctx_seq)}{slots}"
    if item.cache_type_k and item.n_ctx:
        same = item.cache_type_k == item.cache_type_v
        yield f"cache {item.cache_type_k if same else f'{item.cache_type_k} / {item.cache_type_v}'}"
    if item.size_bytes:
        yield f"files {show_size(item.size_bytes)}"


# What each way of knowing means.
BASIS = {
    "computed": "computed from the file's header by llama.cpp's own arithmetic",
    "reserved": "reserved: the engine takes exactly this share of the device",
    "measured": "measured: the peak that `llmgen measure` saw",
    "declared": "declared in llm.toml: nobody checked it",
}


def _basis_told(item: ModelFacts) -> str:
    kinds = dict.fromkeys(item.basis.values())
    if len(kinds) == 1:
        (kind,) = kinds
        told = BASIS[kind]
    else:
        told = "; ".join(f"{device}: {BASIS[kind]}" for device, kind in item.basis.items())
    return (
        told if item.exact or kinds.keys() != {"computed"} else f"{told}; not yet compared exactly"
    )
