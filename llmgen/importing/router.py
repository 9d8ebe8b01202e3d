"""llama-server's router preset (INI) as an llm.toml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmgen.config.tables.models import Defaults
from llmgen.config.variables import TablePath
from llmgen.errors import Diagnostic
from llmgen.importing.arguments import option_of, preset_words
from llmgen.importing.command_line import keys_of
from llmgen.importing.hub import of_repo
from llmgen.importing.parts import SOURCES, Part, fault, lost
from llmgen.importing.values import Unusable, integer
from llmgen.options import nearest
from llmgen.server_help import BUILD, FALSEY, PRESET_ONLY, TRUTHY

_SECTION = re.compile(r"\[([^\]]+)\]")
_MODEL_KEY = re.compile(r"^[ \t]*([A-Za-z_][\w.-]*)[ \t]*=", re.MULTILINE)
_SHARED: Final = "*"
# Keys before the first section belong to a model of this name (COMMON_PRESET_DEFAULT_NAME).
_UNNAMED: Final = "default"
# The keys that tell a preset from other INI files.
_TELLING: Final = frozenset({"model", "m", "hf-repo", "hf", "hfr", "ctx-size", "c"})
# No option, and skipped by the router.
_VERSION: Final = "version"
# Keys of a section that are no options, told one by one.
_MOST_TOLD: Final = 20


def is_router(text: str) -> bool:
    """Whether an INI text is a router preset."""
    sections = re.search(r"^[ \t]*\[[^\]\n]+\]", text, re.MULTILINE)
    return sections is not None and any(
        match[1] in _TELLING or match[1].startswith("LLAMA_ARG_")
        for match in _MODEL_KEY.finditer(text)
    )


def from_router(text: str) -> Part:
    """Sections of a preset, what all share as [defaults]; the router's own traps are named."""
    faults: list[Diagnostic] = []
    sections = _sections(text, faults)
    shared = sections.pop(_SHARED, {})
    faults += _named(_SHARED, shared)
    _, about_all = keys_of(_SHARED, preset_words(shared))
    faults += about_all
    said = {item.message for item in about_all}
    models: dict[str, dict[str, Any]] = {}
    for name, pairs in sections.items():
        faults += _named(name, pairs)
        keys, found = keys_of(name, preset_words(_under(shared, pairs)))
        faults += [
            item for item in found if item.message.replace(f"`{name}`", f"`{_SHARED}`") not in said
        ]
        # The router takes a section without a model by its name.
        source = {} if keys.keys() & SOURCES else of_repo(name)
        load = pairs.get(PRESET_ONLY[0], shared.get(PRESET_ONLY[0], ""))
        models[_canonical(name)] = {**source, **keys} | (
            {"preload": True} if load in TRUTHY else {}
        )
    faults.sort(key=lambda item: item.code != "import.section-twice")
    tables = _tables(models, keys_of(_SHARED, preset_words(shared))[0])
    tables["services",] |= _stop_timeout([shared, *sections.values()], faults)
    return Part(tables, tuple(faults))


def _tables(models: Mapping[str, dict[str, Any]], usual: Mapping[str, Any]) -> dict[TablePath, Any]:
    """[defaults] of what every model has from the shared section, and the models' own rest."""
    defaults = {
        key: value
        for key, value in usual.items()
        if key in Defaults.model_fields and all(key in keys for keys in models.values())
    }
    tables: dict[TablePath, dict[str, Any]] = {("services",): {"on_demand": "router"}}
    if defaults:
        tables["defaults",] = defaults
    for name, keys in models.items():
        tables["models", name] = {
            key: rest
            for key, value in keys.items()
            if (rest := _beyond(value, defaults.get(key))) not in ({}, None)
        }
    return tables


def _beyond(value: Any, usual: Any) -> Any:  # noqa: ANN401 - any TOML value
    """What a model says beyond [defaults]; None where that is nothing."""
    if value == usual:
        return None
    return value


def _under(shared: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The section's keys, and those of ``*`` whose option it does not have itself."""
    options = {option.first for key in own if (option := option_of(key))}
    below = {
        key: value
        for key, value in shared.items()
        if (option := option_of(key)) and option.first not in options
    }
    return {**below, **own}


def _canonical(name: str) -> str:
    """The name under which the router serves a section: what follows a colon is in capitals."""
    base, colon, tag = name.rpartition(":")
    if not colon:
        return name
    found = re.search(r"[-.]([A-Z0-9_]+)$", tag, re.IGNORECASE)
    return f"{base}:{(found[1] if found else tag).upper()}"


def _sections(text: str, faults: list[Diagnostic]) -> dict[str, dict[str, str]]:
    """Each section's last form: a repeated one replaces the earlier one completely."""
    found: dict[str, dict[str, str]] = {}
    name = _UNNAMED
    for line in text.splitlines():
        bare = re.split(r"[#;]", line, maxsplit=1)[0].strip()
        match = _SECTION.fullmatch(bare)
        key, equals, value = bare.partition("=")
        key = key.strip()
        if match:
            name = match[1].strip()
            if name in found:
                faults.append(_section_twice(name))
            found[name] = {}
        elif equals and key != _VERSION:
            pairs = found.setdefault(name, {})
            if key in pairs:
                faults.append(_key_twice(key, name))
            pairs[key] = value.strip()
    return found


def _section_twice(name: str) -> Diagnostic:
    return fault(
        "section-twice",
        f"section [{name}] stands twice: only the last counts",
        "look whether llm.toml lacks a key of the first one",
    )


def _key_twice(key: str, name: str) -> Diagnostic:
    return fault(
        "key-twice",
        f"`{key}` stands twice in [{name}]: only the last counts",
        "options with several values are comma lists",
    )


def _named(name: str, pairs: Mapping[str, str]) -> Iterator[Diagnostic]:
    """What the router does not take from a preset, or does not take as it reads."""
    unknown = [key for key in pairs if key not in PRESET_ONLY and option_of(key) is None]
    yield from (_no_key(name, key) for key in unknown[:_MOST_TOLD])
    if len(unknown) > _MOST_TOLD:
        yield lost(f"{len(unknown) - _MOST_TOLD} more keys in [{name}]", "no option has them")
    if pairs.get(PRESET_ONLY[0], "on") not in (*TRUTHY, *FALSEY):
        yield fault(
            "neither-on-nor-off",
            f"`{PRESET_ONLY[0]} = {pairs[PRESET_ONLY[0]]}` in [{name}] loads nothing",
            "on is `true`, off is `false`",
        )
    if PRESET_ONLY[2] in pairs:
        yield lost(f"`{PRESET_ONLY[2]}` in [{name}]", "llmgen names each file, and no cache")
    spelled: dict[str, str] = {}
    for key in sorted(pairs):
        listed = option_of(key)
        if listed is None:
            continue
        if before := spelled.get(listed.first):
            yield fault(
                "key-twice",
                f"`{before}` and `{key}` in [{name}] are one option: the router takes `{key}`",
                "look whether llm.toml has the value that is meant",
            )
        spelled[listed.first] = key
        if not listed.value and pairs[key] not in (*TRUTHY, *FALSEY):
            yield fault(
                "neither-on-nor-off",
                f"`{key} = {pairs[key]}` in [{name}] is neither on nor off: the router takes it "
                "for on",
                "on is `true`, off is `false`",
            )
        if listed.off and key in listed.variables[1:]:
            yield fault(
                "no-variable-in-preset",
                f"`{key}` in [{name}] switches on what it says by `{pairs[key]}`: a preset knows "
                "no opposite of a variable",
                f"`{listed.variable} = false`",
            )


def _no_key(name: str, key: str) -> Diagnostic:
    near = nearest(f"--{key}").lstrip("-")
    return fault(
        "no-option",
        f"`{key}` in [{name}] is left out: the router of b{BUILD} exits on it",
        f"did you mean `{near}`?" if near else "",
    )


def _stop_timeout(sections: list[dict[str, str]], faults: list[Diagnostic]) -> dict[str, Any]:
    """[services] has one stop_timeout: the longest of all sections."""
    found: dict[str, int] = {}
    for text in {pairs[PRESET_ONLY[1]] for pairs in sections if PRESET_ONLY[1] in pairs}:
        try:
            found[text] = integer(text)
        except Unusable as error:
            faults.append(fault("bad-value", f"`{PRESET_ONLY[1]} = {text}` is left out: {error}"))
    kept = {text: seconds for text, seconds in found.items() if seconds >= 0}
    if not kept:
        return {}
    longest = max(kept.values())
    if len(set(kept.values())) > 1:
        shorter = ", ".join(str(seconds) for seconds in sorted(kept.values()) if seconds < longest)
        faults.append(
            lost(f"`{PRESET_ONLY[1]} = {shorter}`", f"[services] has one for all: {longest}")
        )
    return {"stop_timeout": longest}
