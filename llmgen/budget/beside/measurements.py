"""Measured bytes in the place of computed ones, for the settings that they were measured with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct
from msgspec.structs import astuple, replace

from llmgen.budget.memory import Estimate
from llmgen.budget.settings import ServerSettings


class Bytes(Protocol):
    """What was measured on one device."""

    @property
    def model(self) -> int: ...
    @property
    def context(self) -> int: ...
    @property
    def compute(self) -> int: ...


def settings_digest(settings: ServerSettings, build: int) -> str:
    """A short name for everything that moves memory: options and build."""
    values = tuple(
        astuple(value) if isinstance(value, Struct) else value for value in astuple(settings)
    )
    return hashlib.sha256(repr((build, values)).encode()).hexdigest()[:16]


def with_measured(made: Estimate, measured: Mapping[str, Bytes]) -> Estimate:
    """``made`` with measured figures on the devices that have some; those need no margin."""
    memory = tuple(
        replace(item, model=seen.model, context=seen.context, compute=seen.compute)
        if (seen := measured.get(item.device))
        else item
        for item in made.memory
    )
    margin = {device: size for device, size in made.margin.items() if device not in measured}
    return replace(made, memory=memory, margin=margin)
