"""The options that `llama-server --help` lists: every spelling, what each takes, its variable.

data/server_options.tsv is the help of one build; tools/write_server_options.py writes it anew.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final

from msgspec import Struct

BUILD: Final = 11434
# Keys of a preset that are no options (common_params_add_preset_options in common/arg.cpp).
PRESET_ONLY: Final = ("load-on-startup", "stop-timeout", "dedup-cache-models")
# common_arg_utils::is_truthy and is_falsey.
TRUTHY: Final = ("on", "enabled", "true", "1")
FALSEY: Final = ("off", "disabled", "false", "0")
_OFF: Final = "!"
_TWO_VALUES = re.compile(r"[A-Z]+ [A-Z]+")


class HelpOption(Struct, frozen=True):
    """One option: ``on`` are its spellings, ``off`` those of its opposite.

    ``value`` is the help's word for what it takes, empty for a switch. A ``removed`` one stops
    the server.
    """

    on: tuple[str, ...]
    off: tuple[str, ...] = ()
    value: str = ""
    variable: str = ""
    removed: bool = False

    @property
    def flag(self) -> str:
        """The spelling that stands last in the help: the long one, which the router writes."""
        return self.on[-1]

    @property
    def first(self) -> str:
        """The spelling that stands first, by which the router sorts."""
        return self.on[0]

    @property
    def takes(self) -> int:
        """How many words follow it."""
        if not self.value:
            return 0
        return 2 if _TWO_VALUES.fullmatch(self.value) else 1

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that set it: its own, and for a toggle the one that switches it off."""
        if not self.off or not self.variable:
            return (self.variable,) if self.variable else ()
        return (self.variable, self.variable.replace("LLAMA_ARG_", "LLAMA_ARG_NO_"))


@cache
def listed() -> tuple[HelpOption, ...]:
    """Every option in the help's order."""
    text = resources.files("llmgen").joinpath("data/server_options.tsv").read_text("utf-8")
    return tuple(_option(line) for line in text.splitlines())


@cache
def by_spelling() -> dict[str, HelpOption]:
    """Every word of a command line that is an option."""
    return {word: option for option in listed() for word in (*option.on, *option.off)}


@cache
def by_variable() -> dict[str, HelpOption]:
    """Every environment variable that the server reads as an option."""
    return {name: option for option in listed() for name in option.variables}


@cache
def by_key() -> dict[str, HelpOption]:
    """Every key that a preset may have: spellings without their dashes, and variables."""
    words = {word.lstrip("-"): option for word, option in by_spelling().items()}
    return {**words, **by_variable()}


def _option(line: str) -> HelpOption:
    spellings, value, variable, removed = (*line.split("\t"), "", "", "")[:4]
    words = spellings.split()
    return HelpOption(
        on=tuple(word for word in words if not word.startswith(_OFF)),
        off=tuple(word.removeprefix(_OFF) for word in words if word.startswith(_OFF)),
        value=value,
        variable=variable,
        removed=bool(removed),
    )
