"""Keys that pass through to llama-swap: what llama-swap, or the rest of llm.toml, says of them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from llmgen.config.config import Config
from llmgen.config.editions import EDITIONS
from llmgen.config.tables.base import SECRET_NAME
from llmgen.config.tables.models import ModelTable
from llmgen.errors import Diagnostic, KeyPath, Severity
from llmgen.resolve import names
from llmgen.resolve.swap_keys import KeyLevel, refusals

FILE_KEY: Final[KeyPath] = ("targets", "llama_swap", "extra")
_MACRO: Final = re.compile(r"\$\{([A-Za-z0-9_.-]+)\}")
# What llama-swap fills in for a model; the process id when it stops it.
_FILLED: Final = frozenset({"PORT", "MODEL_ID", "PID"})


def findings(config: Config) -> Iterator[Diagnostic]:
    """What is wrong in `[targets.llama_swap] extra` and `[models.NAME] llama_swap`."""
    aimed = config.targets.llama_swap
    version = aimed.version or EDITIONS[config.edition].swap_version
    yield from problems(FILE_KEY, aimed.extra, "file", version)
    yield from _targets(config, aimed.extra)
    for name, external in config.external.items():
        # As of [models], an empty table is all right, and there may be hundreds of these.
        if not external.llama_swap:
            continue
        yield from problems(("external", name, "llama_swap"), external.llama_swap, "peer", version)
    for name, table in config.models.items():
        key = ("models", name, "llama_swap")
        yield from problems(key, table.llama_swap, "model", version)
        yield from _by_id(key, name, table)
        if table.llama_swap and table.keep == "always":
            yield Diagnostic(
                "models.no-effect",
                f"`llama_swap` does nothing for the always-on model `{name}`",
                key,
                hint="leave it out",
                severity=Severity.WARNING,
            )


def problems(
    key: KeyPath, table: Mapping[str, Any], level: KeyLevel, version: int
) -> Iterator[Diagnostic]:
    """What llama-swap of this version would refuse in a table of its keys, or ignore."""
    for item in refusals(table, level, version):
        yield Diagnostic("swap.extra", item.sentence, (*key, *item.path), hint=item.hint)
    for path, name, text in _texts(table):
        filled = _FILLED if level == "model" else frozenset()
        for macro in _MACRO.findall(text):
            if macro not in filled:
                yield _no_macro((*key, *path), macro)
        if SECRET_NAME.search(name) and text:
            yield Diagnostic(
                "swap.secret-in-clear",
                f"`{name}` looks like a secret, and would stand in a generated file",
                (*key, *path),
                hint="leave it out: a server's own key is `api_key` in [services]",
            )


def _texts(value: object, path: KeyPath = (), name: str = "") -> Iterator[tuple[KeyPath, str, str]]:
    """(where, the nearest name above it, the text) of every text."""
    match value:
        case dict():
            for key, item in value.items():
                yield from _texts(item, (*path, key), key)
        case list() | tuple():
            for index, item in enumerate(value):
                yield from _texts(item, (*path, index), name)
        case str():
            yield path, name, value
        case _:
            return


def _no_macro(key: KeyPath, macro: str) -> Diagnostic:
    return Diagnostic(
        "swap.placeholder",
        f"`${{{macro}}}` is a macro to llama-swap, and nothing defines it",
        key,
        hint="write what it stands for; in [models.NAME] `${PORT}` and `${MODEL_ID}` are known",
    )


def _by_id(key: KeyPath, name: str, table: ModelTable) -> Iterator[Diagnostic]:
    """llama-swap makes a name of every key of setParamsByID; names are llm.toml's."""
    filters = table.llama_swap.get("filters")
    by_id = filters.get("setParamsByID") if isinstance(filters, dict) else None
    for other in by_id if isinstance(by_id, dict) else ():
        if other.replace("${MODEL_ID}", name) not in (name, *table.aliases):
            yield Diagnostic(
                "swap.extra",
                f"`{other}` in `setParamsByID` would be a new name of `{name}`",
                (*key, "filters", "setParamsByID", other),
                hint=f"`variants.{json.dumps(other)}.params`: every front knows a variant",
            )


def _targets(config: Config, extra: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Names that selectors and profiles make, and those that they lead to."""
    selectors, profiles = (_tables(extra.get(key)) for key in ("selectors", "profiles"))
    if not selectors and not profiles:
        return
    served = {name for name, _ in names.claims(config)}
    for name, table in selectors.items():
        if name in served:
            yield Diagnostic(
                "names.taken",
                f"the selector `{name}` has the name of a model",
                (*FILE_KEY, "selectors", name),
                hint="every name must be unique; rename one of them",
            )
        targets = table.get("targets")
        for index, target in enumerate(targets if isinstance(targets, list) else ()):
            key = (*FILE_KEY, "selectors", name, "targets", index)
            yield from _unknown(key, target, served)
    for name, table in profiles.items():
        for pin, target in _tables(table.get("pins"), of=object).items():
            if target:
                key = (*FILE_KEY, "profiles", name, "pins", pin)
                yield from _unknown(key, target, served | {*selectors})


def _tables(value: object, of: type = dict) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        return {}
    return {key: item for key, item in value.items() if isinstance(item, of)}


def _unknown(key: KeyPath, name: object, known: Collection[str]) -> Iterator[Diagnostic]:
    if isinstance(name, str) and name not in known:
        yield Diagnostic(
            "names.unknown",
            f"no model is called `{name}`",
            key,
            hint="names are those of [models.*] and their aliases",
        )
