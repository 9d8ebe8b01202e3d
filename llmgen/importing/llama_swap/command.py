"""A `cmd` of llama-swap as words: comments, continued lines, what stands before the program."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from itertools import takewhile
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

from msgspec import Struct

# Programs that start another one with something changed; their own words come first.
WRAPPERS: Final = frozenset(
    {
        "chrt", "env", "exec", "ionice", "nice", "nohup", "numactl", "prlimit", "setsid", "stdbuf",
        "sudo", "systemd-run", "taskset", "time", "timeout",
    }
)  # fmt: skip
_WINDOWS = re.compile(r"(?:^|[\s\"'])[A-Za-z]:\\")
_ASSIGNED = re.compile(r"[A-Za-z_]\w*=")


class Command(Struct, frozen=True):
    """A program with its arguments, variables set before it, and words that wrap it."""

    program: str
    arguments: tuple[str, ...]
    environment: tuple[str, ...] = ()
    wrapper: tuple[str, ...] = ()
    windows: bool = False


def command_of(text: str) -> Command:
    """What llama-swap would start; ValueError where a quotation stays open."""
    windows = bool(_WINDOWS.search(text))
    return of_words(split(text, windows=windows), windows=windows)


def of_words(words: Sequence[str], *, windows: bool = False) -> Command:
    """The program behind its wrappers."""
    found = [*words]
    wrapper: list[str] = []
    environment: list[str] = []
    while found and name_of(found[0]) in WRAPPERS:
        at = _behind(found)
        environment += [word for word in found[1:at] if _ASSIGNED.match(word)]
        wrapper += [word for word in found[:at] if not _ASSIGNED.match(word)]
        found = found[at:]
    # `env` alone only sets variables, and those are told.
    wrapper = [] if wrapper == ["env"] else wrapper
    program, arguments = (found[0], tuple(found[1:])) if found else ("", ())
    return Command(program, arguments, tuple(environment), tuple(wrapper), windows)


def split(text: str, *, windows: bool = False) -> list[str]:
    """The words of a command; comment lines go, a backslash at the end of a line is a space."""
    kept = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    line = " ".join(item.rstrip().removesuffix("\\") for item in kept)
    if not windows:
        return shlex.split(line)
    # There a backslash is a part of a path, and only `"` quotes.
    reader = shlex.shlex(line, posix=True)
    reader.whitespace_split, reader.escape, reader.quotes, reader.commenters = True, "", '"', ""
    return [*reader]


def name_of(program: str) -> str:
    """A program's name without its folder and its `.exe`."""
    path = PureWindowsPath(program) if "\\" in program else PurePosixPath(program)
    return path.name.removesuffix(".exe")


def is_llama_server(program: str) -> bool:
    """Whether a program is llama.cpp's server: by its name, which old builds had shorter.

    A macro that the file does not define is a folder or a program of the file's user.
    """
    name = name_of(program).replace("_", "-")
    return "llama-server" in name or (name == "server" and "llama" in program)


def _behind(words: Sequence[str]) -> int:
    """Where the program stands after a wrapper: llama-server's place, or after its options."""
    near = words[1:16]
    at = next((index for index, word in enumerate(near, 1) if is_llama_server(word)), 0)
    if at:
        return at
    rest = [*takewhile(lambda word: word.startswith("-") or _ASSIGNED.match(word), words[1:])]
    return 1 + len(rest)
