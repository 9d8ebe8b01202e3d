"""`env` of a model: variables, options of llama-server among them, and which devices it sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from llmgen.importing.command_line import words_of
from llmgen.importing.llama_swap.macros import MACHINES, spoken
from llmgen.importing.parts import Item, Key, fault, is_secret, lost
from llmgen.options import is_option_variable


def environment(name: str, found: object, before: Sequence[str]) -> Iterator[Item]:
    """Variables of a process, and those that its command line sets itself; secrets by reference."""
    for variable, text in pairs(found, before):
        value: str | dict[str, str] = text
        if is_option_variable(variable):
            if is_secret(variable):
                yield fault(
                    "secret-in-clear",
                    f"`{variable}` of `{name}` is the key of a llama-server",
                    f'`api_key = {{ env = "{variable}" }}` in [services]',
                )
            continue
        machines = MACHINES.search(text)
        if machines and machines[0] == text:
            value = {"env": machines[1]}
        elif machines:
            what = f"`{variable}` of `{name}`"
            yield lost(what, f"`{machines[0]}` inside a longer text is known to its machine alone")
            continue
        elif is_secret(variable):
            yield fault(
                "secret-in-clear",
                f"`{variable}` of `{name}` holds a secret in clear text",
                f'`environment = {{ {variable} = {{ env = "{variable}" }} }}`',
            )
            value = {"env": variable}
        yield Key(("models", name), ("environment", variable), value)


def option_words(found: object, before: Sequence[str]) -> Iterator[str]:
    """Words of a command line for the options that stand in the environment."""
    for variable, text in pairs(found, before):
        if is_option_variable(variable) and not is_secret(variable):
            yield from words_of(variable, text)


def pairs(found: object, before: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """(variable, value) of a list of `NAME=VALUE`, or of a table as compose files have it."""
    rows: Iterable[Any] = found if isinstance(found, list) else ()
    if isinstance(found, dict):
        rows = [f"{key}={spoken(value)}" for key, value in found.items()]
    for row in (*rows, *before):
        variable, _, text = spoken(row).partition("=")
        yield variable.strip(), text
