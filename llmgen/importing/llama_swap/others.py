"""A program that llmgen does not model: `engine = "command"` with llama-swap's keys for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmgen.importing.llama_swap.command import Command, split
from llmgen.importing.llama_swap.environment import environment
from llmgen.importing.llama_swap.macros import MACHINES
from llmgen.importing.parts import Item, Key, fault, lost
from llmgen.importing.roles import role_of

_PORT: Final = "${PORT}"
_USUAL = re.compile(r"https?://(?:localhost|127\.0\.0\.1):\$\{PORT\}/?")
# Options whose value is a secret, whatever the program.
_SECRET: Final = re.compile(r"--?[\w-]*(?:api[-_]?key|token|secret|password)", re.IGNORECASE)


def other(name: str, command: Command, table: Mapping[str, Any]) -> Iterator[Item]:
    """The command as it is; what it takes of memory nobody knows."""
    place = ("models", name)
    words = split(str(table.get("cmd") or ""), windows=command.windows)
    yield Key(place, ("engine",), "command")
    yield from _words(name, "cmd", words)
    if stop := table.get("cmdStop"):
        yield from _words(name, "cmd_stop", split(str(stop), windows=command.windows))
    if endpoint := table.get("checkEndpoint"):
        yield Key(place, ("check_endpoint",), str(endpoint))
    proxy = str(table.get("proxy") or "")
    if _PORT not in " ".join(words) and (not proxy or _PORT in proxy):
        yield fault(
            "no-port",
            f"nothing says where `{name}` listens: llama-swap does not start with it",
            "write `${PORT}` into `cmd`, or where it listens into `proxy`; it is switched off",
        )
        yield Key(place, ("enable",), value=False)
    if proxy and not _USUAL.fullmatch(proxy):
        yield Key(place, ("proxy",), proxy)
    role = role_of(
        (name, *words, str(table.get("name") or ""), str(table.get("description") or ""))
    )
    if role != "chat":
        yield Key(place, ("role",), role)
    yield Key(place, ("keep",), "on_demand")
    yield from environment(name, table.get("env"), ())


def _words(name: str, key: str, words: list[str]) -> Iterator[Item]:
    """The words, with variables in the place of secrets; variables go through llama-swap's."""
    place = ("models", name)
    kept: list[str] = []
    for before, word in zip(["", *words], words, strict=False):
        option, equals, value = word.partition("=")
        hidden = value if equals and _SECRET.fullmatch(option) else ""
        hidden = word if not hidden and _SECRET.fullmatch(before) else hidden
        if hidden and not hidden.startswith(("$", "-")):
            variable = re.sub(r"\W", "_", f"{name}_KEY").upper()
            yield fault(
                "secret-in-clear",
                f"`{before or option}` of `{name}` holds a key in clear text",
                f"it is read from the variable `{variable}`",
            )
            word = word.replace(hidden, f"${{env.{variable}}}")  # noqa: PLW2901 - the same word
        for variable in MACHINES.findall(word):
            yield Key(place, ("environment", variable), {"env": variable})
        kept.append(word)
    if any("\n" in word for word in kept):
        yield lost(f"`{key}` of `{name}`", "a word of it has several lines")
    else:
        yield Key(place, (key,), kept)
