"""llama-swap's `models`: each entry as a [models] table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from llmgen.importing.comments import told
from llmgen.importing.llama_swap.command import Command, command_of, is_llama_server
from llmgen.importing.llama_swap.filters import filters
from llmgen.importing.llama_swap.macros import Macros, expanded, macros_of, spoken
from llmgen.importing.llama_swap.plain_keys import passed
from llmgen.importing.llama_swap.servers import fixed_port, served
from llmgen.importing.parts import Item, Key, fault, lost
from llmgen.importing.yaml_text import YamlDocument
from llmgen.resolve.swap_keys import passes


class SwapEntry(Struct, frozen=True):
    """One model of the file, its macros filled in; ``comment`` is what stands beside it."""

    name: str
    table: Mapping[str, Any]
    command: Command
    comment: Mapping[str, Any]

    @property
    def is_llama(self) -> bool:
        """Whether llama-server serves it, by its own name or behind a macro."""
        return is_llama_server(self.command.program)


class Shared(Struct, frozen=True):
    """What the entries of a file have in common: the usual server, ports that are taken."""

    program: str
    ports: frozenset[int]


def models(
    entries: Mapping[str, Any],
    rest: Mapping[str, Any],
    macros: Macros,
    document: YamlDocument,
    lines: list[str],
) -> Iterator[Item]:
    """Everything that the entries say."""
    found = [
        _entry(name, table or {}, macros, document.lines.get(("models", name)), lines)
        for name, table in entries.items()
    ]
    shared = _shared(found, rest)
    if shared.program:
        yield Key(("paths",), ("llama_server",), shared.program)
    for entry in found:
        yield from _items(entry, shared)


def _entry(
    name: str, table: object, macros: Macros, line: int | None, lines: list[str]
) -> SwapEntry:
    if not isinstance(table, dict):
        raise TypeError(f"`{name}` is no table")
    own = {**macros_of(table.get("macros"), macros), "MODEL_ID": name}
    # Lines that somebody switched off go before a macro could end one of them.
    whole = {key: _uncommented(key, value) for key, value in table.items() if key != "macros"}
    filled = {str(key): expanded(value, own) for key, value in whole.items()}
    filled["filters"] = _named(filled.get("filters"), own)
    text = filled.get("cmd") or ""
    if not isinstance(text, str):
        raise TypeError(f"`cmd` of `{name}` is no text")
    try:
        command = command_of(text)
    except ValueError as error:
        raise ValueError(f"`cmd` of `{name}`: {error}") from error
    aliases = filled.get("aliases")
    names = [name, *(map(str, aliases) if isinstance(aliases, list) else ())]
    return SwapEntry(name, filled, command, told(lines, line, names) if line is not None else {})


def _named(filters: Any, own: Macros) -> Any:  # noqa: ANN401 - any YAML value
    """The filters with macros in the names of setParamsByID: there llama-swap fills in keys."""
    by_id = filters.get("setParamsByID") if isinstance(filters, dict) else None
    if not isinstance(by_id, dict):
        return filters
    named = {spoken(expanded(key, own)): params for key, params in by_id.items()}
    return {**filters, "setParamsByID": named}


def _uncommented(key: str, value: Any) -> Any:  # noqa: ANN401 - any YAML value
    if key not in ("cmd", "cmdStop") or not isinstance(value, str):
        return value
    return "\n".join(line for line in value.split("\n") if not line.lstrip().startswith("#"))


def _shared(entries: list[SwapEntry], rest: Mapping[str, Any]) -> Shared:
    programs = Counter(
        item.command.program
        for item in entries
        if item.is_llama and item.command.program.startswith(("/", "~"))
    )
    ports = Counter(port for item in entries if (port := fixed_port(item.table)))
    start = rest.get("startPort", 5800)
    first = start if isinstance(start, int) else 5800
    taken = {port for port, count in ports.items() if count > 1}
    automatic = {*range(first, first + len(entries))}
    return Shared(
        max(programs, key=lambda item: programs[item], default=""),
        frozenset(taken | automatic | {8080}),
    )


def _items(entry: SwapEntry, shared: Shared) -> Iterator[Item]:
    place = ("models", entry.name)
    yield from served(entry.name, entry.command, entry.table, shared.program, shared.ports)
    for key, value in entry.table.items():
        if key in _READ_ELSEWHERE or value is None:
            continue
        if key in _KEYS:
            yield from _KEYS[key](entry.name, value)
        elif key == "healthCheckTimeout":
            why = "llama-swap reads it for all models at once, at the top of its file"
            yield lost(f"`{key}` of `{entry.name}`", why)
        elif passes(key, "model"):
            yield from passed(place, "llama_swap", f"`{key}` of `{entry.name}`", key, value)
        else:
            what = f"`{key}` of `{entry.name}`"
            yield fault("unknown-key", f"llama-swap ignores the key {what} without a word")
    for key, text in entry.comment.items():
        if not entry.table.get({"title": "name"}.get(key, key)):
            yield Key(place, (key,), text)


_EntryReader = Callable[[str, Any], Iterator[Item]]
# Read with the command.
_READ_ELSEWHERE: Final = frozenset({"cmd", "macros", "env", "proxy", "cmdStop", "checkEndpoint"})


def _text(to: str) -> _EntryReader:
    def read(name: str, value: Any) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
        text = " ".join(spoken(value).split())
        if text:
            yield Key(("models", name), (to,), text)

    return read


def _aliases(name: str, value: Any) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    if not isinstance(value, list):
        raise TypeError(f"`aliases` of `{name}` is no list")
    found = [spoken(alias) for alias in value]
    if found:
        yield Key(("models", name), ("aliases",), found)


def _ttl(name: str, value: Any) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    if not _is_count(value) or value < -1:
        yield lost(f"`ttl` of `{name}`", "llama-swap takes seconds there, as a whole number")
    elif value >= 0:
        yield Key(("models", name), ("ttl",), value)


def _unlisted(name: str, value: Any) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    if value is True:
        yield Key(("models", name), ("unlisted",), value=True)
    elif value is not False:
        yield lost(f"`unlisted` of `{name}`", "it is `true` or `false`")


def _concurrency(name: str, value: Any) -> Iterator[Item]:  # noqa: ANN401 - any YAML value
    if not _is_count(value) or value < 0:
        yield lost(f"`concurrencyLimit` of `{name}`", "it is a whole number")
    elif value:
        yield Key(("models", name), ("concurrency_limit",), value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_KEYS: Final[Mapping[str, _EntryReader]] = {
    "aliases": _aliases,
    "concurrencyLimit": _concurrency,
    "description": _text("description"),
    "filters": filters,
    "name": _text("title"),
    "ttl": _ttl,
    "unlisted": _unlisted,
}
