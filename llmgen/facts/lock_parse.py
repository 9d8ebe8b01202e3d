"""llm.lock from text: strict, so that a damaged or hostile lock is refused by its place."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from math import prod
from typing import Any, Final, NoReturn, TypeVar

from llmgen.errors import Diagnostic, InputError
from llmgen.facts.checkpoint_model import CheckpointFacts
from llmgen.facts.ggml_types import BY_NAME
from llmgen.facts.gguf_facts import GgufFacts, ModelFile, ModelRef, TensorGroup
from llmgen.facts.lock_checkpoint import parse_config, parse_group
from llmgen.facts.lock_conflict import first_marker, sides
from llmgen.facts.lock_model import FORMAT, Entry, Lock, Measured
from llmgen.facts.lock_runs import parse_run
from llmgen.facts.lock_values import (
    CONTROL,
    LARGEST,
    SHA256,
    Wrong,
    check_keys,
    header_value,
    read_count,
    read_digest,
    read_each,
    read_layers,
    read_mapping,
    read_rows,
    read_text,
)
from llmgen.facts.locked_files import wrong_file

_T = TypeVar("_T")
_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")
_INT: Final = frozenset({int})
AGAIN: Final = "restore it, or remove it and run `llmgen lock`"


def parse_lock(text: str, name: str) -> Lock:
    """Read the text of a lock; ``name`` is what messages call it."""
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise _refused("lock.syntax", f"`{name}` is nested too deeply", AGAIN) from None
    except Wrong as error:
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
    except Wrong as error:
        place = ".".join(str(part) for part in error.path)
        raise _refused("lock.value", f"`{name}`: `{place}` {error.message}", AGAIN) from None


def settled(text: str, name: str) -> Lock:
    """A lock, of one with a merge conflict the entries that its two sides do not dispute.

    An entry of one side alone stays; one that they have differently is left out.
    """
    if first_marker(text) is None:
        return parse_lock(text, name)
    ours, theirs = (parse_lock(side, name) for side in sides(text))
    return Lock(_undisputed(ours.entries, theirs.entries), _undisputed(ours.runs, theirs.runs))


def _undisputed(ours: Mapping[str, _T], theirs: Mapping[str, _T]) -> dict[str, _T]:
    both = {**ours, **theirs}
    return {
        key: value for key, value in both.items() if ours.get(key, value) == theirs.get(key, value)
    }


def _refused(code: str, message: str, hint: str) -> InputError:
    return InputError(Diagnostic(code, message, hint=hint))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Wrong("has a key twice")
    return found


def _constant(text: str) -> NoReturn:
    raise Wrong(f"has the value {text}")


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
    check_keys(document, frozenset({"format", "models"}), frozenset({"runs"}))
    models = read_mapping(document["models"], "models")
    runs = read_mapping(document.get("runs", {}), "runs")
    return Lock(read_each(models, _entry_of, "models"), read_each(runs, parse_run, "runs"))


_NEEDED: Final = frozenset({"architecture", "files", "tensors"})
_OF_GGUF: Final = _NEEDED | {"hyperparameters", "vocabulary"}
_OF_CHECKPOINT: Final = _NEEDED | {"config"}
_OPTIONAL: Final = frozenset({"header_sha256", "revision", "measured"})
_OF_THE_HUB: Final = ("hf:", "repo:")


def _entry_of(ref: ModelRef, value: object) -> Entry:
    entry = read_mapping(value)
    facts = _checkpoint(entry) if ref.startswith(("folder:", "repo:")) else _gguf(entry)
    if not facts.files:
        raise Wrong("is empty", "files")
    revision = read_digest(entry.get("revision", ""), _COMMIT, "revision")
    if revision and not ref.startswith(_OF_THE_HUB):
        # `pull` downloads what has one, to the files that the entry names.
        raise Wrong("stands at a model that is not of the Hub", "revision")
    if (wrong := wrong_file(ref, facts.files)) is not None:
        number, problem = wrong
        raise Wrong(problem, "files", number)
    return Entry(
        facts,
        revision,
        read_each(read_mapping(entry.get("measured", {}), "measured"), _devices, "measured"),
    )


def _gguf(entry: dict[str, Any]) -> GgufFacts:
    check_keys(entry, _OF_GGUF, _OPTIONAL)
    return GgufFacts(
        architecture=read_text(entry["architecture"], "architecture"),
        hyperparameters=read_each(
            read_mapping(entry["hyperparameters"], "hyperparameters"),
            header_value,
            "hyperparameters",
        ),
        vocabulary=read_count(entry["vocabulary"], "vocabulary"),
        tensors=read_rows(entry["tensors"], _group, "tensors"),
        files=read_rows(entry["files"], _file, "files"),
        header_sha256=read_digest(entry.get("header_sha256", ""), SHA256, "header_sha256"),
    )


def _checkpoint(entry: dict[str, Any]) -> CheckpointFacts:
    check_keys(entry, _OF_CHECKPOINT, _OPTIONAL)
    return CheckpointFacts(
        architecture=read_text(entry["architecture"], "architecture"),
        config=parse_config(entry["config"]),
        tensors=read_rows(entry["tensors"], parse_group, "tensors"),
        files=read_rows(entry["files"], _file, "files"),
        header_sha256=read_digest(entry.get("header_sha256", ""), SHA256, "header_sha256"),
    )


def _file(row: object) -> ModelFile:
    match row:
        case [str() as name, int() as size]:
            digest: object = ""
        case [str() as name, int() as size, str() as digest]:
            pass
        case _:
            raise Wrong("is not [name, size, digest]")
    if not name or CONTROL.search(name):
        raise Wrong("has no printable name")
    return ModelFile(name, read_count(size), read_digest(digest, SHA256))


def _group(row: object) -> TensorGroup:
    layers: tuple[int, ...] = ()
    match row:
        case [str() as pattern, str() as kind, list() as numbers]:
            pass
        case [str() as pattern, str() as kind, list() as numbers, str() as ranges]:
            layers = read_layers(ranges)
        case _:
            raise Wrong("is not [pattern, type, shape, layers]")
    if not _INT.issuperset(map(type, numbers)):
        raise Wrong("has an impossible shape")
    shape = tuple(numbers)
    if ("#" in pattern) != bool(layers) or CONTROL.search(pattern):
        raise Wrong(f"has a pattern {pattern!r} that does not go with its layers")
    if kind not in BY_NAME:
        raise Wrong(f"has the unknown tensor type `{kind}`")
    return TensorGroup(pattern, kind, shape, layers, _bytes(kind, shape))


# Models of a family share shapes, and so do the quants of one model.
@lru_cache(maxsize=4096)
def _bytes(kind: str, shape: tuple[int, ...]) -> int:
    if not 1 <= len(shape) <= 4 or min(shape) < 1:
        raise Wrong("has an impossible shape")
    try:
        size = BY_NAME[kind].tensor_bytes(shape)
    except ValueError as error:
        raise Wrong(f"has {error}") from None
    if max(size, prod(shape)) > LARGEST:
        raise Wrong("has an impossible shape")
    return size


def _devices(_: str, value: object) -> dict[str, Measured]:
    return read_each(read_mapping(value), _memory)


def _memory(_: str, value: object) -> Measured:
    if not isinstance(value, list) or len(value) != 3:
        raise Wrong("is not [model, context, compute]")
    return Measured(*(read_count(item) for item in value))
