"""Sources to Config: overlays, the edition first, then types; every mistake with its place."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace
from pydantic import ValidationError

from llmgen.config.config import Config
from llmgen.config.editions import EDITIONS
from llmgen.config.plugins import look_for_none
from llmgen.config.requires import refuse_other_versions
from llmgen.config.source import Source
from llmgen.config.spans import Located
from llmgen.config.tables.base import INT64, PLACEHOLDER, SECRET_AS_TEXT
from llmgen.errors import ConfigError, Diagnostic, KeyPath, LlmgenError, Location

_HIDDEN: Final = '"..."'
# Numbers without end, and whole numbers of more than 64 bits, as json.dumps writes them.
_UNUSUAL: Final = re.compile(r"Infinity|NaN|\d{19}")


def load(sources: Sequence[Source]) -> Config:
    """The typed config of llm.toml and the files laid over it; ConfigError with every mistake.

    With [hosts] it is the whole file, with the first of them for its machine; ``llmgen.fleet``
    makes the config of each one.
    """
    document = merged(sources)
    try:
        return validated(_with_hardware(document))
    except ValidationError as error:
        from llmgen.config.mistakes import diagnostics  # noqa: PLC0415 - only for mistakes

        places = {key for source in sources for key in source.spans}
        hosts = document.get("hosts")
        first = ("hosts", next(iter(hosts))) if isinstance(hosts, dict) and hosts else ()
        found = diagnostics(error, places, first)
        # What is missing of the hardware of the first host is told at that host.
        ours = {(), ("hardware",)} if "hosts" in document else set()
        told = [item for item in found if item.key not in ours]
        raise located(ConfigError(told or found), sources) from None
    except ConfigError as error:
        raise located(error, sources) from None


def merged(sources: Sequence[Source]) -> dict[str, Any]:
    """One document of all files, the later ones laid over the earlier ones."""
    document: dict[str, Any] = {}
    for source in sources:
        document = overlay(document, source.document)
    return document


def validated(document: dict[str, Any]) -> Config:
    """The typed config of a document; ConfigError, or ValidationError for wrong types and keys."""
    refuse_other_versions(document)
    _refuse_other_editions(document)
    text = json.dumps(document)
    if PLACEHOLDER in text:
        _refuse_placeholders(document)
    look_for_none()
    config = Config.model_validate_json(text)
    _refuse_endless(document, text)
    return config


def _with_hardware(document: dict[str, Any]) -> dict[str, Any]:
    """Where there are [hosts], each has hardware: what no host has is no missing key."""
    hosts = document.get("hosts")
    first = next(iter(hosts.values()), None) if isinstance(hosts, dict) else None
    if not isinstance(first, dict):
        return document
    own = first.get("hardware", {})
    common = document.get("hardware", {})
    if not isinstance(own, dict) or not isinstance(common, dict):
        return document
    return {**document, "hardware": overlay(common, own)}


def _refuse_other_editions(document: dict[str, Any]) -> None:
    """A newer edition has keys that this llmgen would call unknown, so it is looked at first."""
    edition = document.get("edition")
    if isinstance(edition, int) and edition > max(EDITIONS):
        raise ConfigError(
            Diagnostic(
                "config.edition",
                f"edition {edition} is not known to this llmgen",
                ("edition",),
                hint=f"`edition = {max(EDITIONS)}`, or a newer llmgen",
            )
        )


def _refuse_placeholders(document: dict[str, Any]) -> None:
    """`llmgen keys` would fill these texts with secrets, wherever they go."""
    found = dict.fromkeys(_marked(document))
    raise ConfigError(
        [
            Diagnostic(
                "config.placeholder",
                f"`{PLACEHOLDER}` is llmgen's own mark for a secret in generated files",
                key,
                hint="write it in another way",
            )
            for key in found
        ]
    )


def _refuse_endless(document: dict[str, Any], text: str) -> None:
    """Free tables take any value, and no JSON or YAML has these numbers; typed keys said so."""
    found = [*_endless(document)] if _UNUSUAL.search(text) else []
    if found:
        from llmgen.config.mistakes import name_of  # noqa: PLC0415 - only for mistakes

        raise ConfigError(
            [
                Diagnostic("config.bad-value", f"{name_of(key)} must be {wanted}", key, hint=hint)
                for key, wanted, hint in found
            ]
        )


def _endless(value: object, key: KeyPath = ()) -> Iterator[tuple[KeyPath, str, str]]:
    match value:
        case dict():
            for name, item in value.items():
                yield from _endless(item, (*key, name))
        case list():
            for index, item in enumerate(value):
                yield from _endless(item, (*key, index))
        case float() if not math.isfinite(value):
            yield key, "a finite number", "no JSON has another one"
        case int() if abs(value) > INT64:
            yield key, f"at most {INT64}", "a whole number has 64 bits"
        case _:
            return


def _marked(value: object, key: KeyPath = ()) -> Iterator[KeyPath]:
    """Where the mark stands; a name that has it counts for its table."""
    match value:
        case dict():
            for name, item in value.items():
                yield from _marked(name, key)
                yield from _marked(item, (*key, name))
        case list():
            for index, item in enumerate(value):
                yield from _marked(item, (*key, index))
        case str() if PLACEHOLDER in value:
            yield key
        case _:
            return


def overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """``below`` with every key of ``above``: tables are merged, all other values replaced."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(value, dict) and isinstance(under, dict):
            merged[key] = overlay(under, value)
        else:
            merged[key] = value
    return merged


def located(error: LlmgenError, sources: Sequence[Source]) -> LlmgenError:
    """The same error with places in llm.toml for all diagnostics that only have a key."""
    return type(error)(
        [
            item if item.location or not item.key else replace(item, location=locate(sources, item))
            for item in error.diagnostics
        ]
    )


def locate(sources: Sequence[Source], item: Diagnostic) -> Location:
    """Where the key of a diagnostic is written; its nearest table where it is not, else the top."""
    item = replace(item, key=_written(sources, item.key))
    for key in (item.key[:length] for length in range(len(item.key), 0, -1)):
        # The last file that writes the key is the one that counts.
        for source in reversed(sources):
            found = source.spans.get(key)
            if found is not None:
                place = source.location(
                    found.key if _is_about_key(item, key, found) else found.value
                )
                return _hidden(place) if item.code == SECRET_AS_TEXT else place
    return Location(sources[0].name, 1, 1)


def _written(sources: Sequence[Source], key: KeyPath) -> KeyPath:
    """The key as llm.toml writes it: names of models have a prefix once they are read."""
    prefix = ""
    for source in sources:
        told = source.document.get("naming")
        prefix = str(told.get("prefix", prefix)) if isinstance(told, dict) else prefix
    if not prefix or key[:1] not in (("models",), ("external",)):
        return key
    if any(source.spans.get(key[:2]) for source in sources):
        return key
    names = (1, 3) if key[2:3] == ("variants",) else (1,)
    return tuple(
        part.removeprefix(prefix) if at in names and isinstance(part, str) else part
        for at, part in enumerate(key)
    )


def _hidden(place: Location) -> Location:
    """The same place without the text that stands there."""
    before, after = place.excerpt[: place.column - 1], place.excerpt[place.column - 1 :]
    shown = f"{before}{_HIDDEN}{after[place.length :]}"
    return replace(place, length=len(_HIDDEN), excerpt=shown)


def _is_about_key(item: Diagnostic, key: KeyPath, found: Located) -> bool:
    """Unknown and missing keys, and whole tables, are shown at the key; the rest at the value."""
    table = key != item.key or found.value.start < found.key.start
    return table or item.code in ("config.unknown-key", "config.missing-key", "names.taken")
