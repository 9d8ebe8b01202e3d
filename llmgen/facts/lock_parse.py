"""llm.lock from text: strict, so that a damaged or hostile lock is refused by its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import isfinite, prod
from typing import Any, Final, NoReturn

from llmgen.errors import Diagnostic, InputError
from llmgen.facts.ggml_types import BY_NAME
from llmgen.facts.layer_ranges import read_ranges
from llmgen.facts.lock_conflict import first_marker, sides
from llmgen.facts.lock_model import FORMAT, Entry, Lock, Measured
from llmgen.facts.locked_files import wrong_file
from llmgen.facts.model import GgufFacts, HeaderValue, ModelFile, ModelRef, TensorGroup

_LARGEST: Final = 2**63 - 1
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_INT: Final = frozenset({int})
AGAIN: Final = "restore it, or remove it and run `llmgen lock`"


class _Wrong(Exception):
    """What is wrong with one value; the path grows while it travels up."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


def parse_lock(text: str, name: str) -> Lock:
    """Read the text of a lock; ``name`` is what messages call it."""
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise _refused("lock.syntax", f"`{name}` is nested too deeply", AGAIN) from None
    except _Wrong as error:
        raise _refused("lock.syntax", f"`{name}` {error.message}", AGAIN) from None
    except ValueError as error:
        if (line := first_marker(text)) is not None:
            message = f"`{name}` has a merge conflict (line {line})"
            hint = "run `llmgen lock`: it keeps what both sides have and reads the rest anew"
            raise _refused("lock.conflict", message, hint) from None
        raise _refused("lock.syntax", f"`{name}` is no JSON: {error}", AGAIN) from None
    _format(document, name)
    try:
        return _lock(document)
    except _Wrong as error:
        place = ".".join(str(part) for part in error.path)
        raise _refused("lock.value", f"`{name}`: `{place}` {error.message}", AGAIN) from None


def settled(text: str, name: str) -> Lock:
    """A lock, of one with a merge conflict the entries that its two sides do not dispute.

    An entry of one side alone stays; one that they have differently is left out.
    """
    if first_marker(text) is None:
        return parse_lock(text, name)
    ours, theirs = (parse_lock(side, name).entries for side in sides(text))
    both = {**ours, **theirs}
    return Lock(
        {
            ref: entry
            for ref, entry in both.items()
            if ours.get(ref, entry) == theirs.get(ref, entry)
        }
    )


def _refused(code: str, message: str, hint: str) -> InputError:
    return InputError(Diagnostic(code, message, hint=hint))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Wrong("has a key twice")
    return found


def _constant(text: str) -> NoReturn:
    raise _Wrong(f"has the value {text}")


def _format(document: object, name: str) -> None:
    if not isinstance(document, dict) or type(document.get("format")) is not int:
        raise _refused("lock.format", f"`{name}` is no lock of llmgen", AGAIN)
    if document["format"] != FORMAT:
        raise _refused(
            "lock.format",
            f"`{name}` has format {document['format']}; this llmgen knows format {FORMAT}",
            "use a newer llmgen" if document["format"] > FORMAT else "run `llmgen lock`",
        )


def _lock(document: dict[str, Any]) -> Lock:
    _keys(document, frozenset({"format", "models"}))
    models = _mapping(document["models"], "models")
    return Lock(_each(models, _entry_of, "models"))


def _each(found: Mapping[str, Any], read: Callable[[str, Any], Any], *path: str) -> dict[str, Any]:
    result = {}
    for key, value in found.items():
        try:
            result[key] = read(key, value)
        except _Wrong as error:
            raise _Wrong(error.message, *path, key, *error.path) from None
    return result


_NEEDED: Final = frozenset({"architecture", "files", "hyperparameters", "tensors", "vocabulary"})
_OPTIONAL: Final = frozenset({"header_sha256", "revision", "measured"})


def _entry_of(ref: ModelRef, value: object) -> Entry:
    entry = _mapping(value)
    _keys(entry, _NEEDED, _OPTIONAL)
    facts = GgufFacts(
        architecture=_text(entry["architecture"], "architecture"),
        hyperparameters=_each(
            _mapping(entry["hyperparameters"], "hyperparameters"), _header_value, "hyperparameters"
        ),
        vocabulary=_count(entry["vocabulary"], "vocabulary"),
        tensors=_rows(entry["tensors"], _group, "tensors"),
        files=_rows(entry["files"], _file, "files"),
        header_sha256=_hex(entry.get("header_sha256", ""), _SHA256, "header_sha256"),
    )
    if not facts.files:
        raise _Wrong("is empty", "files")
    revision = _hex(entry.get("revision", ""), _COMMIT, "revision")
    if revision and not ref.startswith("hf:"):
        # `pull` downloads what has one, to the files that the entry names.
        raise _Wrong("stands at a model that is not of the Hub", "revision")
    if (wrong := wrong_file(ref, facts.files)) is not None:
        number, problem = wrong
        raise _Wrong(problem, "files", number)
    return Entry(
        facts,
        revision,
        _each(_mapping(entry.get("measured", {}), "measured"), _devices, "measured"),
    )


def _rows(value: object, read: Callable[[object], Any], key: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _Wrong("is no list", key)
    rows: list[Any] = []
    for row in value:
        try:
            rows.append(read(row))
        except _Wrong as error:
            raise _Wrong(error.message, key, len(rows)) from None
    return tuple(rows)


def _file(row: object) -> ModelFile:
    match row:
        case [str() as name, int() as size]:
            digest: object = ""
        case [str() as name, int() as size, str() as digest]:
            pass
        case _:
            raise _Wrong("is not [name, size, digest]")
    if not name or _CONTROL.search(name):
        raise _Wrong("has no printable name")
    return ModelFile(name, _count(size), _hex(digest, _SHA256))


def _group(row: object) -> TensorGroup:
    layers: tuple[int, ...] = ()
    match row:
        case [str() as pattern, str() as kind, list() as numbers]:
            pass
        case [str() as pattern, str() as kind, list() as numbers, str() as ranges]:
            layers = _layers(ranges)
        case _:
            raise _Wrong("is not [pattern, type, shape, layers]")
    if not _INT.issuperset(map(type, numbers)):
        raise _Wrong("has an impossible shape")
    shape = tuple(numbers)
    if ("#" in pattern) != bool(layers) or _CONTROL.search(pattern):
        raise _Wrong(f"has a pattern {pattern!r} that does not go with its layers")
    if kind not in BY_NAME:
        raise _Wrong(f"has the unknown tensor type `{kind}`")
    return TensorGroup(pattern, kind, shape, layers, _bytes(kind, shape))


def _layers(ranges: str) -> tuple[int, ...]:
    try:
        return read_ranges(ranges)
    except ValueError as error:
        raise _Wrong(str(error)) from None


# Models of a family share shapes, and so do the quants of one model.
@lru_cache(maxsize=4096)
def _bytes(kind: str, shape: tuple[int, ...]) -> int:
    if not 1 <= len(shape) <= 4 or min(shape) < 1:
        raise _Wrong("has an impossible shape")
    try:
        size = BY_NAME[kind].tensor_bytes(shape)
    except ValueError as error:
        raise _Wrong(f"has {error}") from None
    if max(size, prod(shape)) > _LARGEST:
        raise _Wrong("has an impossible shape")
    return size


def _header_value(_: str, value: object) -> HeaderValue:
    if isinstance(value, list):
        return tuple(_scalar(item) for item in value)
    return _scalar(value)


def _scalar(value: object) -> int | float | bool | str:
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    raise _Wrong("is no value of a header")


def _devices(_: str, value: object) -> dict[str, Measured]:
    return _each(_mapping(value), _memory)


def _memory(_: str, value: object) -> Measured:
    if not isinstance(value, list) or len(value) != 3:
        raise _Wrong("is not [model, context, compute]")
    return Measured(*(_count(item) for item in value))


def _mapping(value: object, *path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Wrong("is no object", *path)
    return value


def _keys(
    found: dict[str, Any], needed: frozenset[str], optional: frozenset[str] = frozenset()
) -> None:
    for key in needed - found.keys():
        raise _Wrong(f"has no `{key}`")
    for key in found.keys() - needed - optional:
        raise _Wrong("is an unknown key", key)


def _text(value: object, *path: str) -> str:
    if not isinstance(value, str) or not value:
        raise _Wrong("is no text", *path)
    return value


def _count(value: object, *path: str) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise _Wrong("is no size", *path)
    return value


def _hex(value: object, pattern: re.Pattern[str], *path: str) -> str:
    if not isinstance(value, str) or (value and not pattern.fullmatch(value)):
        raise _Wrong("is no digest", *path)
    return value
