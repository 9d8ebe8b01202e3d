"""pydantic's errors as diagnostics: one for each place, with a hint that works."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import groupby
from typing import Any

from pydantic import BaseModel, ValidationError

from llmgen.config.config import Config
from llmgen.config.documentation import documentation
from llmgen.config.tables.base import FORMS, SECRET_AS_TEXT, Secret
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

# What llama-server's short options and other programs call a key, without `_` and `-`.
_CALLED = {
    "alias": "aliases",
    "args": "extra_args",
    "b": "batch_size",
    "c": "ctx_size",
    "context": "ctx_size",
    "contextlength": "ctx_size",
    "contextsize": "ctx_size",
    "ctk": "cache_type_k",
    "ctv": "cache_type_v",
    "ctx": "ctx_size",
    "env": "environment",
    "fa": "flash_attn",
    "file": "model",
    "gpulayers": "n_gpu_layers",
    "maxtokens": "n_predict",
    "mlock": "load_mode",
    "mmap": "load_mode",
    "nctx": "ctx_size",
    "ngl": "n_gpu_layers",
    "nommap": "load_mode",
    "np": "parallel",
    "numctx": "ctx_size",
    "path": "model",
    "repo": "hf_repo",
    "t": "threads",
    "temperature": "sampling.temp",
    "ub": "ubatch_size",
}


def diagnostics(
    error: ValidationError, places: Collection[KeyPath], laid_over: KeyPath = ()
) -> list[Diagnostic]:
    """Every mistake once; the failures of a union at one place become one diagnostic.

    Where a list's element is wrong, nobody meant the word that might stand in the list's place.
    What is wrong below ``laid_over`` is not told once more of the tables that it was laid over,
    where it is not written.
    """
    errors = error.errors(include_url=False)
    known = {item["loc"] for item in errors} if laid_over else set()
    own = [
        item for item in errors if (*laid_over, *item["loc"]) not in known or item["loc"] in places
    ]
    rows = [(_key(item["loc"], places), item) for item in own]
    around = {key[:length] for key, _ in rows for length in range(len(key))}
    rows = [(key, item) for key, item in rows if key not in around or not _is_other(item)]
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
    name, table = _name(key)
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
        case _ if _is_type(first) and _model(key) is Secret:
            sentence = f"`{name}`{table} must be a reference, never the secret itself"
            return Diagnostic(
                SECRET_AS_TEXT, sentence, key,
                hint='`{ env = "NAME" }`, `{ file = "PATH" }` or `{ credential = "NAME" }`',
            )  # fmt: skip
        case _:
            expected = _wanted(items)
            code = "config.wrong-type" if _is_type(first) else "config.bad-value"
            sentence = f"`{name}`{table} must be {expected}"
            return Diagnostic(code, sentence, key, hint=_hint(key, first))


def _hint(key: KeyPath, item: Any) -> str:  # noqa: ANN401 - pydantic's own dict
    # pydantic's mark for the name of a key, not its value.
    if item["loc"][-1] == "[key]":
        return "rename it"
    return _document(key)


def _name(key: KeyPath) -> tuple[str, str]:
    """A key as people write it, and its table: ``aliases[0]``, `` in [models.a]``."""
    last = max((at for at, part in enumerate(key) if isinstance(part, str)), default=0)
    name = "".join(str(part) if isinstance(part, str) else f"[{part}]" for part in key[last:])
    table = ".".join(str(part) for part in key[:last])
    return name, f" in [{table}]" if table else ""


def expected(error: ValidationError) -> str:
    """What a single value must be, in words: `at least 1`."""
    return _wanted(error.errors(include_url=False))


def _wanted(items: Iterable[Any]) -> str:
    return " or ".join(dict.fromkeys(_expected(item) for item in items))


def name_of(key: KeyPath) -> str:
    """A key with its table, as sentences begin."""
    name, table = _name(key)
    return f"`{name}`{table}"


def _is_other(item: Any) -> bool:  # noqa: ANN401 - pydantic's own dict
    """Whether it only says that another member of a union does not match either."""
    return item["type"] == "literal_error" or _is_type(item)


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
        case "less_than":
            return f"less than {context['lt']}"
        case "greater_than":
            return f"more than {context['gt']}"
        case "string_pattern_mismatch":
            return FORMS[str(context["pattern"])]
        case "value_error":
            return _meaning(str(context["error"]))
        case _ if base in _TYPES and kind.endswith(("_type", "_parsing")):
            return _TYPES[base]
        case "finite_number":
            return "a finite number"
        case "too_short":
            kind_of_it = _TYPES["dict" if context["field_type"] == "Dictionary" else "list"]
            return f"{kind_of_it} that is not empty"
        case "string_too_long":
            return f"at most {context['max_length']} characters long"
        case _:
            return f"right: {item['msg']}"


_EXAMPLES = (
    ("a size", "`64K`"),
    ("a duration", "`30m`"),
    ("a number of single precision", "`0.001`"),
)


def _meaning(error: str) -> str:
    """What a validator of our own expected, from the sentence that it raised."""
    for word, example in _EXAMPLES:
        if error.endswith(f"is not {word}"):
            return f"{word} like {example}"
    return f"right: {error}"


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
    if elsewhere := _elsewhere(table, wanted):
        return f"did you mean `{elsewhere}`?"
    near = get_close_matches(wanted, spelt, 1)
    if near:
        return f"did you mean `{spelt[near[0]]}`?"
    return f"known keys: {', '.join(sorted(table.model_fields))}"


def _elsewhere(table: type[BaseModel], wanted: str) -> str:
    """The key that other programs call so, or the table inside this one that has such a key."""
    if wanted in {name.replace("_", "") for name in table.model_fields}:
        return ""
    called = _CALLED.get(wanted, "")
    if called.partition(".")[0] in table.model_fields:
        return called
    for name, field in table.model_fields.items():
        inner = _inside(field.annotation)
        inner = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
        for own in inner.model_fields if inner else ():
            if own.replace("_", "") == wanted:
                return f"{name}.{own}"
    return ""


def _document(key: KeyPath) -> str:
    """What the key is for; of an element, what its list or table is for."""
    for length in range(len(key), 0, -1):
        table = _model(key[: length - 1])
        text = documentation(table).get(str(key[length - 1]), "") if table else ""
        if text:
            return " ".join(text.rstrip(".").split())
    return ""
