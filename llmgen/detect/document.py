"""The llm.toml that fits a machine."""

from __future__ import annotations

from typing import Any, Final

from llmgen.config.edit import value_text
from llmgen.config.editions import EDITIONS
from llmgen.detect.machine import FoundMachine, profile_of
from llmgen.profiles import advised_load_mode, apple_silicon, profiles
from llmgen.units import GIB, MIB

EDITION: Final = max(EDITIONS)
SCHEMA: Final = "./llm.schema.json"


def document(found: FoundMachine, profile: str = "") -> str:
    """A commented llm.toml for this machine; ``profile`` overrides the detected one."""
    edition = EDITIONS[EDITION]
    chosen = profile or profile_of(found)
    return "\n".join(
        [
            f"#:schema {SCHEMA}",
            "",
            "# What this machine is and which models it serves. `llmgen show` says what fits,",
            "# `llmgen generate` writes the configurations, `llmgen install` puts them in place;",
            "# `llmgen schema > llm.schema.json` lets editors complete this file.",
            "",
            f"edition = {EDITION}",
            "",
            "[llama_cpp]",
            *_version("build", found.build, edition.build, "llama-server --version"),
            "",
            "[hardware]",
            *(_profile(found, chosen) if chosen else _hardware(found)),
            "",
            "[paths]",
            f"home = {value_text(found.home)}",
            'models = "~/models"',
            *(f"{key} = {value_text(path)}" for key, path in found.programs),
            "",
            "[services]",
            'on_demand = "llama_swap"   # or "router" (llama-server\'s own), or "none"',
            'scope = "user"             # or "system"',
            "",
            *_defaults(found, chosen),
            "[targets.llama_swap]",
            *_version("version", found.swap_version, edition.swap_version, "llama-swap -version"),
            "",
            "[targets.clients]",
            'formats = ["env"]   # and "opencode", "continue", "aider", "zed", "open_webui"',
            "",
            "# One table for each model. A file below [paths] models, or a repository of the Hub:",
            "#",
            "# [models.coder]",
            '# hf_repo = "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF"',
            '# quant = "Q4_K_M"',
            '# ctx_size = "max"          # the largest that fits; or "64K"',
            '# aliases = ["gpt-4o"]',
            "#",
            "# Then: llmgen lock, llmgen show, llmgen pull, llmgen install.",
            "#",
            "# Or all that this machine has, as models come and go: `[sync]`, then llmgen sync.",
            "",
        ]
    )


def _defaults(found: FoundMachine, profile: str) -> list[str]:
    """Options that every model of such a machine should have, where they are not llmgen's own."""
    lines = []
    if wanted := advised_load_mode(profile):
        remark = "mapped weights would stand in memory twice, as page cache too"
        lines.append(f'load_mode = "{wanted}"   # {remark}')
    known = profiles()[profile] if profile else {}
    if len(known.get("devices", found.devices)) > 1:
        lines.append('device = "auto"   # the card with most room; several where one is too small')
    return ["[defaults]", *lines, ""] if lines else []


def _version(key: str, found: int, aimed: int, asked: str) -> list[str]:
    if found:
        return [f"{key} = {found}   # as `{asked}` says"]
    return [f"{key} = {aimed}   # `{asked}` did not say; correct it when you know"]


def _profile(found: FoundMachine, profile: str) -> list[str]:
    """The profile, and what it leaves to the machine."""
    known, lines = profiles()[profile], [f'profile = "{profile}"']
    if "memory" not in known:
        lines.append(f'memory = "{found.memory_bytes // MIB}MiB"   # as the system reports it')
    if "devices" not in known:
        devices = _devices(found) or [
            '    { memory = "8GiB" },   # not detected: the card\'s memory'
        ]
        lines += ["devices = [", *devices, "]"]
    return lines


def hardware(found: FoundMachine) -> dict[str, Any]:
    """[hardware] of a machine without a profile: what was found, key by key."""
    return {
        "os": found.os,
        "backend": found.backend,
        "memory": f"{found.memory_bytes // MIB}MiB",
        "reserve": f"{max(2, found.memory_bytes // GIB // 16)}GiB",
        "unified": found.unified,
        "devices": tuple({"memory": f"{size // MIB}MiB"} for _, size in _cards(found)),
    }


def _hardware(found: FoundMachine) -> list[str]:
    told = {key: value for key, value in hardware(found).items() if key != "devices"}
    remarks = {"reserve": "   # for the system, the desktop"}
    return [
        *(f"{key} = {value_text(value)}{remarks.get(key, '')}" for key, value in told.items()),
        "devices = [",
        *_devices(found),
        "]",
    ]


def _devices(found: FoundMachine) -> list[str]:
    return [f'    {{ memory = "{size // MIB}MiB" }},   # {name}' for name, size in _cards(found)]


def _cards(found: FoundMachine) -> tuple[tuple[str, int], ...]:
    if found.backend != "metal":
        return found.devices
    (mac,) = apple_silicon(round(found.memory_bytes / GIB))["devices"]
    return (("Metal's working set", mac["memory"]),)
