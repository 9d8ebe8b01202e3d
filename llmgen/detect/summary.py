"""What `init` tells a person: the machine, its programs, model files, and what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from llmgen.detect.machine import FoundMachine, profile_of
from llmgen.detect.obtain import obtain
from llmgen.units import show_size

# What every stack needs; gateways come when llm.toml asks for them.
_NEEDED: Final = (("llama_server", "llama-server"), ("llama_swap", "llama-swap"))
_TOLD: Final = 3


def summary(found: FoundMachine, tools: Collection[str], models: Sequence[str]) -> str:
    """Lines for standard error; ``models`` are references of the files that a scan found."""
    return "\n".join((*machine(found, tools), *_models(models)))


def machine(found: FoundMachine, tools: Collection[str]) -> Iterator[str]:
    """The machine and its programs, with how to get those that are missing."""
    yield from _machine(found)
    yield from _programs(found, tools)


def _machine(found: FoundMachine) -> Iterator[str]:
    profile = profile_of(found)
    known = f", profile {profile}" if profile else ""
    memory = show_size(found.memory_bytes)
    yield f"machine: {memory} of memory, {found.backend} on {found.os}{known}"
    for name, size in found.devices:
        yield f"  {name}: {show_size(size)}"
    if not found.devices and found.backend == "cpu":
        yield "  no GPU found; --profile NAME plans for another machine"


def _programs(found: FoundMachine, tools: Collection[str]) -> Iterator[str]:
    there = dict(found.programs)
    versions = {"llama_server": found.build, "llama_swap": found.swap_version}
    for key, name in _NEEDED:
        if key in there:
            version = f", {versions[key]}" if versions[key] else ""
            yield f"{name}: {there[key]}{version}"
        else:
            yield f"{name}: not found; {obtain(key, tools)}"


def _models(models: Sequence[str]) -> Iterator[str]:
    if not models:
        yield "models: no GGUF files found; `llmgen models add ORG/REPO:QUANT` names one of the Hub"
        yield "next: `llmgen models add …`, `llmgen lock`, `llmgen pull`, `llmgen up --foreground`"
        return
    yield f"models: {len(models)} found; `llmgen models scan` lists them"
    for ref in models[:_TOLD]:
        yield f"  llmgen models add {shlex.quote(ref)}"
    yield "next: add what you want, then `llmgen lock`, `llmgen show`, `llmgen up --foreground`"
