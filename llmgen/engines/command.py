"""Any program that serves OpenAI's paths: its command line, and how much memory it takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final

from pydantic import Field

from llmgen.config.tables.base import CheckPath, Line, ProxyUrl, Text
from llmgen.engines.base import Engine, Listen, Served
from llmgen.engines.keys import Claimed, DeclaredMemory
from llmgen.engines.roles import Role

# What llama-swap fills in, and llmgen where it starts the program itself.
PORT: Final = "${PORT}"
MODEL_ID: Final = "${MODEL_ID}"
_MACRO: Final = re.compile(r"\$\{([A-Za-z0-9_.-]+)\}")


class CommandOptions(DeclaredMemory, Claimed):
    """Keys of a program that llmgen knows nothing about."""

    cmd: Annotated[tuple[Line, ...], Field(min_length=1)] | Text | None = None
    """Its command: a list of words, or one text that is split as a shell would, and given to
    none. `${PORT}` is its port, `${MODEL_ID}` the model's name."""
    cmd_stop: Annotated[tuple[Line, ...], Field(min_length=1)] | Text | None = None
    """What stops it; absent: a signal. `${PID}` is its process, where llama-swap starts it."""
    check_endpoint: CheckPath | None = None
    """The path that answers 200 when it is ready; `none`: it is as soon as it runs. Absent:
    `/health`."""
    proxy: ProxyUrl | None = None
    """Where it is reached; absent: `http://127.0.0.1:${PORT}`."""
    serves: Annotated[tuple[Role, ...], Field(min_length=1)] | None = None
    """What it may be asked for, the usual first; absent: its `role`."""


def split(text: str | Sequence[str]) -> tuple[str, ...]:
    """The words of a command; ValueError with what is wrong with its quotes."""
    if not isinstance(text, str):
        return tuple(text)
    return tuple(shlex.split(text, comments=False, posix=True))


def readable(text: str | Sequence[str] | None) -> tuple[str, ...]:
    """The same; nothing where there is none, or where quotes are wrong, which is told elsewhere."""
    try:
        return split(text or ())
    except ValueError:
        return ()


def words(served: Served, listen: Listen) -> Iterator[str]:
    """The program's own words, its port and name in their place."""
    return (filled(word, served.name, listen.port) for word in split(served.get("cmd", ())))


def filled(word: str, name: str, port: str) -> str:
    """A word with its macros; llama-swap's own port is a macro again."""
    return word.replace(PORT, port).replace(MODEL_ID, name)


def macros(words: Iterable[str]) -> Iterator[str]:
    """Names of the macros in these words, as llama-swap reads them."""
    return (found[1] for word in words for found in _MACRO.finditer(word))


def calls_tools(served: Served) -> bool:
    """Nobody says that it does not."""
    return "chat" in served.serves or "vision" in served.serves


ENGINE: Final = Engine(
    name="command",
    summary="any program that serves OpenAI's paths",
    program="",
    options=CommandOptions,
    keys=frozenset(CommandOptions.model_fields),
    roles=(
        "chat",
        "vision",
        "completion",
        "embedding",
        "rerank",
        "transcription",
        "speech",
        "image",
    ),
    needs_source=False,
    picks_devices=False,
    words=words,
    calls_tools=calls_tools,
)
