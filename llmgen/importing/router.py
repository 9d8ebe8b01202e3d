"""llama-server's router preset (INI) as an llm.toml."""

from __future__ import annotations

import re
from typing import Any

from llmgen.errors import Diagnostic
from llmgen.importing.command_line import TRUE, keys_of, words_of
from llmgen.importing.hub import of_repo
from llmgen.importing.model import SOURCES, Part, TablePath, fault, lost

_SECTION = re.compile(r"\[([^\]]+)\]")
_PRESET_ONLY = {"load-on-startup": "preload"}
# About the router's own processes.
_ROUTERS_OWN = ("stop-timeout",)
_REMOVED = ("mmap", "no-mmap", "mlock")


def is_router(text: str) -> bool:
    """Whether an INI text is a router preset."""
    return bool(re.search(r"^[ \t]*\[[^\]\n]+\]", text, re.MULTILINE)) and bool(
        re.search(
            r"^[ \t]*(model|hf-repo|hf|m|LLAMA_ARG_\w+|ctx-size|c)[ \t]*=", text, re.MULTILINE
        )
    )


def from_router(text: str) -> Part:
    """Sections of a preset, ``[*]`` as [defaults]; the router's own traps are named."""
    tables: dict[TablePath, dict[str, Any]] = {("services",): {"on_demand": "router"}}
    faults: list[Diagnostic] = []
    for name, pairs in _sections(text, faults).items():
        keys, found = _keys(name, pairs)
        faults += found
        if name == "*":
            tables["defaults",] = {key: value for key, value in keys.items() if key != "role"}
        else:
            # The router takes a section without a model by its name.
            source = {} if keys.keys() & SOURCES else of_repo(name)
            tables["models", name] = {**source, **keys}
    return Part(tables, tuple(faults))


def _sections(text: str, faults: list[Diagnostic]) -> dict[str, dict[str, str]]:
    """Each section's last form: a repeated one replaces the earlier one completely."""
    found: dict[str, dict[str, str]] = {}
    name = ""
    for line in text.splitlines():
        bare = re.split(r"[#;]", line, maxsplit=1)[0].strip()
        match = _SECTION.fullmatch(bare)
        if match:
            name = match[1]
            if name in found:
                faults.append(
                    fault(
                        "section-twice",
                        f"section [{name}] stands twice: only the last counts",
                        "look whether llm.toml lacks a key of the first one",
                    )
                )
            found[name] = {}
        elif "=" in bare and name:
            key, _, value = bare.partition("=")
            if key.strip() in found[name]:
                faults.append(
                    fault(
                        "key-twice",
                        f"`{key.strip()}` stands twice in [{name}]: only the last counts",
                        "options with several values are comma lists",
                    )
                )
            found[name][key.strip()] = value.strip()
    return found


def _keys(name: str, pairs: dict[str, str]) -> tuple[dict[str, Any], list[Diagnostic]]:
    words: list[str] = []
    keys: dict[str, Any] = {}
    faults: list[Diagnostic] = []
    for key, value in pairs.items():
        if key in _PRESET_ONLY:
            keys[_PRESET_ONLY[key]] = value.lower() in TRUE
            continue
        if key in _ROUTERS_OWN:
            faults.append(lost(f"`{key}` in [{name}]", "llmgen sets it by itself"))
            continue
        if key in _REMOVED:
            faults.append(
                fault(
                    "removed-option",
                    f"`{key}` in [{name}]: the router of builds since b10105 exits on it",
                    "`load_mode` writes what the aimed build knows",
                )
            )
        words += words_of(key, value)
    found, more = keys_of(name, words)
    removed = [item for item in more if item.code != "import.removed-option"]
    return {**found, **keys}, [*faults, *removed]
