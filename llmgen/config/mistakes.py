"""pydantic's errors as diagnostics: one for each place, with a hint that works."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from itertools import groupby
from typing import Any

from pydantic import BaseModel, ValidationError

from llmgen.config.documentation import documentation
from llmgen.config.model import Config
from llmgen.errors import Diagnostic, KeyPath

# pydantic's words for types, as people who write TOML call them.
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "string": "text in quotes",
    "bool": "`true` or `false`",
    "tuple": "a list",
    "list": "a list",
    "dict": "a table",
    "model": "a table",
    "mapping": "a table",
}


def diagnostics(error: ValidationError, places: Collection[KeyPath]) -> list[Diagnostic]:
    """Every mistake once; the failures of a union at one place become one diagnostic."""
    rows = [(_key(item["loc"], places), item) for item in error.errors(include_url=False)]
    rows.sort(key=lambda row: [str(part) for part in row[0]])
    return [
        _diagnostic(key, [item for _, item in group])
        for key, group in groupby(rows, key=lambda row: row[0])
    ]


def _key(loc: Iterable[str | int], places: Collection[KeyPath]) -> KeyPath:
    """The key path in a pydantic location, without the names of union members.

    The last part is kept when it is nowhere in the text: it is the key that is missing.
    """
    parts = tuple(loc)
    key: KeyPath = ()
    for index, part in enumerate(parts):
        longer = (*key, part)
        if longer in places or (index == len(parts) - 1 and _is_field(key, part)):
            key = longer
    return key


def _diagnostic(key: KeyPath, items: list[Any]) -> Diagnostic:
    first = items[0]
    name, table = str(key[-1]) if key else "", _table(key[:-1])
    match first["type"]:
        case "extra_forbidden":
            return Diagnostic(
                "config.unknown-key", f"unknown key `{name}`{table}", key, hint=_suggest(key)
            )
        case "missing":
            return Diagnostic(
                "config.missing-key", f"the key `{name}` is missing{table}", key,
                hint=_document(key),
            )  # fmt: skip
        case _:
            expected = " or ".join(dict.fromkeys(_expected(item) for item in items))
            code = "config.wrong-type" if _is_type(first) else "config.bad-value"
            return Diagnostic(code, f"`{name}`{table} must be {expected}", key, hint=_document(key))


def _table(key: KeyPath) -> str:
    return f" in [{'.'.join(str(part) for part in key)}]" if key else ""


def _is_type(item: Any) -> bool:  # noqa: ANN401 - pydantic's own dict
    return str(item["type"]).endswith(("_type", "_parsing"))


def _expected(item: Any) -> str:  # noqa: ANN401 - pydantic's own dict
    kind, context = str(item["type"]), item.get("ctx") or {}
    base = kind.partition("_")[0]
    match kind:
        case "literal_error":
            return str(context["expected"]).replace("'", '"')
        case "greater_than_equal":
            return f"at least {context['ge']}"
        case "less_than_equal":
            return f"at most {context['le']}"
        case "greater_than":
            return f"more than {context['gt']}"
        case "string_pattern_mismatch":
            return _PATTERNS.get(str(context["pattern"]), f"of the form {context['pattern']}")
        case "value_error":
            return _meaning(str(context["error"]))
        case _ if base in _TYPES and kind.endswith(("_type", "_parsing")):
            return _TYPES[base]
        case _:
            message = str(item["msg"])
            return message[:1].lower() + message[1:]


def _meaning(error: str) -> str:
    """What a validator of our own expected, from the sentence that it raised."""
    for word, example in (("a size", "`64K`"), ("a duration", "`30m`")):
        if error.endswith(f"is not {word}"):
            return f"{word} like {example}"
    return f"right: {error}"


def _patterns() -> Iterator[tuple[str, str]]:
    from llmgen.config.tables import base, services  # noqa: PLC0415 - only for mistakes

    yield base._NAME, "a model name: letters, digits and . _ : / -, without spaces"  # noqa: SLF001
    yield r"^[a-z0-9][a-z0-9._-]{0,63}$", "lower-case letters, digits and . _ -"
    yield rf"^{base.ENVIRONMENT_NAME.pattern}$", "the name of an environment variable"
    yield r"^[0-9A-Za-z.:\[\]-]+$", "an address"
    del services


_PATTERNS = dict(_patterns())


def _model(key: KeyPath) -> type[BaseModel] | None:
    """The table type that a key path leads to; None where it is free."""
    found: Any = Config
    for part in key:
        found = _step(found, part)
        if found is None:
            return None
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _step(found: Any, part: str | int) -> Any:  # noqa: ANN401 - types of annotations
    if isinstance(found, type) and issubclass(found, BaseModel):
        field = found.model_fields.get(str(part))
        return _inside(field.annotation) if field else None
    return _inside(found)


def _inside(annotation: Any) -> Any:  # noqa: ANN401 - types of annotations
    """The table type in ``X | None``, ``dict[str, X]`` and ``tuple[X, ...]``."""
    arguments = getattr(annotation, "__args__", ())
    if not arguments:
        return annotation
    tables = [item for item in map(_inside, arguments) if _is_table(item)]
    return _Free(tables[0]) if _is_container(annotation) and tables else next(iter(tables), None)


class _Free:
    """A container of tables: the next part of the path is a free name or an index."""

    def __init__(self, table: Any) -> None:  # noqa: ANN401 - types of annotations
        self.__args__ = (table,)
        self.table = table


def _is_container(annotation: Any) -> bool:  # noqa: ANN401 - types of annotations
    return getattr(annotation, "__origin__", None) in (dict, tuple, list)


def _is_table(item: Any) -> bool:  # noqa: ANN401 - types of annotations
    return isinstance(item, _Free) or (isinstance(item, type) and issubclass(item, BaseModel))


def _is_field(key: KeyPath, part: str | int) -> bool:
    table = _model(key)
    return table is not None and part in table.model_fields


def _suggest(key: KeyPath) -> str:
    table = _model(key[:-1])
    if table is None:
        return ""
    spelt = {name.replace("_", ""): name for name in table.model_fields}
    wanted = str(key[-1]).lower().replace("-", "").replace("_", "")
    near = get_close_matches(wanted, spelt, 1)
    if near:
        return f"did you mean `{spelt[near[0]]}`?"
    return f"known keys: {', '.join(sorted(table.model_fields))}"


def _document(key: KeyPath) -> str:
    table = _model(key[:-1]) if key else None
    return documentation(table).get(str(key[-1]), "").rstrip(".") if table else ""
