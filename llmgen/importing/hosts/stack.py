"""What was imported of one machine, and what it may be called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from llmgen.config.names import file_name, sane
from llmgen.config.tables.hosts import AUTO
from llmgen.importing.llama_swap.peers import ImportedPeer
from llmgen.importing.names import apart
from llmgen.importing.parts import Part, merged

# What such files are called on every machine: the folder says more.
_USUAL: Final = frozenset({"config", "llama-swap", "llama_swap", "llamaswap", "swap", "default"})
_HOME = re.compile(r"(?:/home|/Users)/[^/\s]+(?=/)")
_MAC: Final = ("/Users/", "/opt/homebrew/")
# Keys of a model whose value is a path of llmgen's own: it may begin with `~`.
_PATHS: Final = ("model", "mmproj")


class HostStack(Struct, frozen=True):
    """One machine: ``said`` is the name that was given, ``files`` are those it was read from."""

    part: Part
    peers: tuple[ImportedPeer, ...] = ()
    files: tuple[str, ...] = ()
    is_swap: bool = False
    said: str = ""
    name: str = ""

    @property
    def names(self) -> frozenset[str]:
        """What others may call it: its given name, else those of its files."""
        found = [self.said] if self.said else [_of_file(file) for file in self.files]
        return frozenset(host_name(name) for name in found) - {""}


def together(name: str, stacks: Sequence[HostStack]) -> HostStack:
    """Several files of one machine, whose name is given."""
    return HostStack(
        merged(apart(stack.part for stack in stacks)),
        tuple(peer for stack in stacks for peer in stack.peers),
        tuple(file for stack in stacks for file in stack.files),
        is_swap=any(stack.is_swap for stack in stacks),
        said=name,
    )


def host_name(text: str) -> str:
    """A text as a name of a host; empty when nothing of it is left."""
    return file_name(sane(text)).strip("-._")[:48].rstrip("-._")


def named(stacks: Sequence[HostStack], called: Sequence[Sequence[str]]) -> tuple[HostStack, ...]:
    """The stacks with names of their own: given, as the others call them, or their file's."""
    taken = {stack.said for stack in stacks if stack.said}
    return tuple(_named(stack, ids, taken) for stack, ids in zip(stacks, called, strict=True))


def _named(stack: HostStack, ids: Sequence[str], taken: set[str]) -> HostStack:
    if stack.said:
        return replace(stack, name=stack.said)
    wished = next(filter(None, (*map(host_name, ids), *sorted(stack.names))), "host")
    found = next(name for name in _numbered(wished) if name not in taken | {AUTO})
    taken.add(found)
    return replace(stack, name=found)


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        number += 1
        yield f"{name}-{number}"


def _of_file(file: str) -> str:
    path = PurePath(file)
    if path.stem.lower() in _USUAL and path.parent.name:
        return path.parent.name
    return path.stem


def home_of(part: Part) -> str:
    """The home folder that most paths of a file are in; empty where there is none."""
    found = Counter(match[0] for text in _texts(part.tables) for match in _HOME.finditer(text))
    return max(found, key=lambda item: found[item], default="")


def is_mac(part: Part) -> bool:
    """Whether its paths are those of a Mac."""
    return any(place in text for text in _texts(part.tables) for place in _MAC)


def at_home(part: Part, home: str) -> Part:
    """The part with `~` for the home folder, as far as llm.toml takes it."""
    if not home:
        return part
    tables = {
        path: _shorter(keys, home) if path[0] == "models" else keys
        for path, keys in part.tables.items()
    }
    return Part(tables, part.faults)


def _shorter(keys: Mapping[str, Any], home: str) -> dict[str, Any]:
    found = dict(keys)
    for key in _PATHS:
        if str(found.get(key, "")).startswith(f"{home}/"):
            found[key] = f"~{found[key].removeprefix(home)}"
    if isinstance(found.get("draft"), dict):
        found["draft"] = _shorter(found["draft"], home)
    return found


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from _texts(item)
        case list() | tuple():
            for item in value:
                yield from _texts(item)
        case _:
            return
