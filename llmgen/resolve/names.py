"""The one namespace of model names: models, aliases, variants, external models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmgen.config.model import Config
from llmgen.errors import Diagnostic, KeyPath

Claim = tuple[str, KeyPath]


def findings(config: Config) -> Iterator[Diagnostic]:
    """Names claimed twice, references to names that nobody has, two defaults of one role."""
    yield from _twice(config)
    yield from _unknown(config)
    yield from _defaults(config)


def claims(config: Config) -> Iterator[Claim]:
    """Every name that clients may send, with the key that claims it, in llm.toml's order."""
    for name, table in config.models.items():
        yield name, ("models", name)
        yield from _aliases(table.aliases, ("models", name))
        for key, variant in table.variants.items():
            yield key, ("models", name, "variants", key)
            yield from _aliases(variant.aliases, ("models", name, "variants", key))
    for name, external in config.external.items():
        yield name, ("external", name)
        yield from _aliases(external.aliases, ("external", name))


def _aliases(aliases: Iterable[str], key: KeyPath) -> Iterator[Claim]:
    return ((alias, (*key, "aliases", index)) for index, alias in enumerate(aliases))


def _twice(config: Config) -> Iterator[Diagnostic]:
    # A model's own name wins over an alias, wherever either of them stands.
    owners: dict[str, KeyPath] = {}
    for name, key in sorted(claims(config), key=lambda claim: claim[1][-2] == "aliases"):
        if name in owners:
            yield Diagnostic(
                "names.taken",
                f"the name `{name}` is already taken by {table_name(owners[name])}",
                key,
                hint="every name, alias and variant must be unique; remove or rename one",
            )
        owners.setdefault(name, key)


def table_name(key: KeyPath) -> str:
    """The table that a claim stands in, as people write it."""
    parts = key[: key.index("aliases")] if "aliases" in key else key
    return f"[{'.'.join(str(part) for part in parts)}]"


def _unknown(config: Config) -> Iterator[Diagnostic]:
    models = {name for name, table in config.models.items() if table.enable}
    known = {name for name, _ in claims(config)}
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
    for field in ("together", "wish_together", "never_together"):
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
    for name, table in config.models.items():
        if not (table.default and table.enable):
            continue
        if table.role in first:
            yield Diagnostic(
                "names.two-defaults",
                f"`{name}` and `{first[table.role]}` are both the default for {table.role}",
                ("models", name, "default"),
                hint="keep `default = true` on one of them",
            )
        first.setdefault(table.role, name)
