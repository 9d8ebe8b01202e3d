"""Tensors that options keep away from the device of their layer: -ot and --n-cpu-moe."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from llmgen.budget.memory import HOST
from llmgen.budget.server.expression import Expression, SearchGivenUp, expression
from llmgen.budget.settings import ServerSettings, SettingRefused
from llmgen.facts.gguf_facts import TensorGroup

# LLM_FFN_EXPS_REGEX in common/common.h, with the layer number that --n-cpu-moe puts before it.
_EXPERTS: Final = re.compile(r"^blk\.#\.ffn_(up|down|gate|gate_up)_(ch|)exps")

# Letters of an expression in a message.
_SHOWN: Final = 80


class Overrides(Struct, frozen=True):
    """Patterns with the device each one names, in the server's order, and ``n_cpu_moe``."""

    patterns: tuple[tuple[Expression, str], ...]
    cpu_moe: int

    def __bool__(self) -> bool:
        """Whether anything can be moved."""
        return bool(self.patterns or self.cpu_moe)

    def of(self, group: TensorGroup, layer: int | None) -> str | None:
        """The device that an option names for a tensor, if one does; the first match wins."""
        name = group.pattern if layer is None else group.pattern.replace("#", str(layer))
        for pattern, device in self.patterns:
            if _found(pattern, name):
                return device
        if layer is not None and layer < self.cpu_moe and is_expert(group):
            return HOST
        return None


def _found(pattern: Expression, name: str) -> bool:
    try:
        return bool(pattern.search(name))
    except SearchGivenUp as error:
        message = f"an expression of `override_tensor`, looked for in `{name}`, {error}"
        hint = "repeat nothing that is itself repeated; the server may hang, too"
        raise SettingRefused("override_tensor", message, hint) from error


def is_expert(group: TensorGroup) -> bool:
    """Whether the group holds experts' matrices."""
    return _EXPERTS.search(group.pattern) is not None


def overrides(settings: ServerSettings) -> Overrides:
    """Read the options; an unknown device or a wrong expression is refused."""
    patterns = tuple(
        (_compiled(pattern), _device(target, settings.devices))
        for pattern, target in settings.override_tensor
    )
    return Overrides(patterns, settings.n_cpu_moe)


def _compiled(pattern: str) -> Expression:
    try:
        return expression(pattern)
    except re.error as error:
        shown = pattern if len(pattern) <= _SHOWN else f"{pattern[:_SHOWN]}..."
        message = f"`override_tensor` has the expression `{shown}`, which is wrong: {error}"
        raise SettingRefused(
            "override_tensor", message, "the server's are ECMAScript's: `\\.ffn_.*_exps`"
        ) from error


def _device(target: str, devices: tuple[str, ...]) -> str:
    """``CPU`` and ``CUDA_Host`` are the host; without a plan, ``CUDA1`` is the second device."""
    if target in devices or target == HOST:
        return target
    if target.upper() == "CPU" or target.endswith("_Host"):
        return HOST
    number = None if re.fullmatch(r"gpu\d+", target) else re.search(r"\d+", target)
    if number and int(number[0]) < len(devices):
        return devices[int(number[0])]
    known = ", ".join(("CPU", *devices))
    message = f"`override_tensor` names `{target}`, which is no device here"
    raise SettingRefused("override_tensor", message, f"use one of {known}")
