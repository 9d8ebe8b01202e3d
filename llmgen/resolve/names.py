"""The one namespace of model names: models, aliases, variants, external models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from llmgen.config.config import Config
from llmgen.config.editions import EDITIONS
from llmgen.config.tables.base import MODEL_NAME
from llmgen.config.tables.services import SETS
from llmgen.errors import Diagnostic, KeyPath

NameClaim = tuple[str, KeyPath]


def findings(config: Config) -> Iterator[Diagnostic]:
    """Names claimed twice, references to names that nobody has, two defaults of one role."""
    claimed = [*claims(config)]
    yield from _twice(claimed)
    if EDITIONS[config.edition].small_letters:
        yield from _by_case(claimed)
    if config.naming.prefix:
        yield from _impossible(claimed)
    yield from _unknown(config, {name for name, _ in claimed})
    yield from _defaults(config)


def claims(config: Config) -> Iterator[NameClaim]:
    """Every name that clients may send, with the key that claims it, in llm.toml's order."""
    prefix = config.naming.prefix
    for name, table in config.models.items():
        yield prefix + name, ("models", name)
        yield from _aliases(table.aliases, ("models", name))
        for key, variant in table.variants.items():
            yield prefix + key, ("models", name, "variants", key)
            yield from _aliases(variant.aliases, ("models", name, "variants", key))
    for name, external in config.external.items():
        yield prefix + name, ("external", name)
        yield from _aliases(external.aliases, ("external", name))


def own_names(config: Config) -> dict[str, str]:
    """The names that tables give, as llm.toml writes them, to those that clients send."""
    variants = (key for table in config.models.values() for key in table.variants)
    names = (*config.models, *variants, *config.external)
    return {name: config.naming.prefix + name for name in names}


def _aliases(aliases: Iterable[str], key: KeyPath) -> Iterator[NameClaim]:
    return ((alias, (*key, "aliases", index)) for index, alias in enumerate(aliases))


def _twice(claimed: Sequence[NameClaim]) -> Iterator[Diagnostic]:
    if len({name for name, _ in claimed}) == len(claimed):
        return
    # A model's own name wins over an alias, wherever either of them stands.
    owners: dict[str, KeyPath] = {}
    for name, key in sorted(claimed, key=lambda claim: claim[1][-2] == "aliases"):
        if name in owners:
            yield Diagnostic(
                "names.taken",
                f"the name `{name}` is already taken by {table_name(owners[name])}",
                key,
                hint="every name, alias and variant must be unique; remove or rename one",
            )
        owners.setdefault(name, key)


def _by_case(claimed: Sequence[NameClaim]) -> Iterator[Diagnostic]:
    """Names of two models that a client in small letters could not tell apart."""
    if len({name.lower() for name, _ in claimed}) == len(claimed):
        return
    owners: dict[str, tuple[str, KeyPath]] = {}
    for name, key in claimed:
        other, first = owners.setdefault(name.lower(), (name, key))
        if other != name and table_name(first) != table_name(key):
            yield Diagnostic(
                "names.letter-case",
                f"`{name}` and `{other}` of {table_name(first)} differ by letter case alone",
                key,
                hint="rename one of the two: every name is also known in small letters",
            )


def _impossible(claimed: Iterable[NameClaim]) -> Iterator[Diagnostic]:
    """Names that are none once the prefix stands before them."""
    for name, key in claimed:
        if not MODEL_NAME.fullmatch(name):
            yield Diagnostic(
                "names.too-long",
                f"`{name}` is longer than the 128 letters that a name may have",
                key,
                hint="a shorter `prefix` in [naming], or a shorter name",
            )


def table_name(key: KeyPath) -> str:
    """The table that a claim stands in, as people write it."""
    parts = key[: key.index("aliases")] if "aliases" in key else key
    return f"[{'.'.join(str(part) for part in parts)}]"


def _unknown(config: Config, claimed: set[str]) -> Iterator[Diagnostic]:
    models = {name for name, table in config.models.items() if table.enable}
    known = claimed | {*own_names(config)}
    for key, name, among in _mentions(config, models, known):
        if name not in among:
            yield Diagnostic(
                "names.unknown", f"no model is called `{name}`", key, hint=_nearest(name, among)
            )


def _mentions(
    config: Config, models: set[str], known: set[str]
) -> Iterator[tuple[KeyPath, str, set[str]]]:
    for name, table in config.models.items():
        for field in ("fallbacks", "context_window_fallbacks"):
            for index, other in enumerate(getattr(table, field)):
                yield ("models", name, field, index), other, known
    rows = {*known, *_rows(config)}
    for name, external in config.external.items():
        for field in ("fallbacks", "context_window_fallbacks"):
            for index, other in enumerate(getattr(external, field)):
                yield ("external", name, field, index), other, rows
    for field in SETS:
        for row, group in enumerate(getattr(config.plan, field)):
            for index, other in enumerate(group):
                yield ("plan", field, row, index), other, models


def _rows(config: Config) -> Iterator[str]:
    """Names that LiteLLM alone knows."""
    rows = config.gateway.litellm.extra.get("model_list")
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and isinstance(row.get("model_name"), str):
            yield row["model_name"]


def _nearest(name: str, among: set[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only for mistakes

    near = get_close_matches(name, sorted(among), 1)
    return f"did you mean `{near[0]}`?" if near else "names are those of [models.*]"


def _defaults(config: Config) -> Iterator[Diagnostic]:
    first: dict[str, str] = {}
    marked = [(n, "models", t.role) for n, t in config.models.items() if t.default and t.enable]
    marked += [(n, "external", t.role) for n, t in config.external.items() if t.default]
    for name, kind, role in marked:
        if role in first:
            yield Diagnostic(
                "names.two-defaults",
                f"`{name}` and `{first[role]}` are both the default for {role}",
                (kind, name, "default"),
                hint="keep `default = true` on one of them",
            )
        first.setdefault(role, name)
