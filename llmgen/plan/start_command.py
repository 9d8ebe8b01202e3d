"""How one model's server is started by itself, and the digest by which a run of it is known."""

from __future__ import annotations

from msgspec import Struct

from llmgen.engines.command import PORT, filled
from llmgen.engines.digest import served_digest, words_digest
from llmgen.library import Library
from llmgen.plan import command, process
from llmgen.plan.plan import Placement


class Start(Struct, frozen=True):
    """A command, the path that answers 200 when it is ready, and the name that it answers to.

    ``health`` is empty where nothing tells.
    """

    words: tuple[str, ...]
    health: str
    upstream: str = ""
    start_seconds: int = 0


def start(item: Placement, library: Library, port: int) -> Start:
    """The command of a model's own server on a port of the loopback."""
    model = item.model
    words = process.argv(model, item.settings, library, port=port)
    health = process.health(model)
    return Start(
        tuple(filled(word, model.name, str(port)) if PORT in word else word for word in words),
        "" if health == process.NEVER_ASKED else health,
        process.upstream(model),
        model.engine.start_seconds,
    )


def command_digest(item: Placement, library: Library) -> str:
    """Of everything that was started but for its address."""
    model = item.model
    if model.served is not None:
        return served_digest(model.engine, model.served)
    words = command.words(command.assignments(model, item.settings, library))
    return words_digest((model.program, *words, *model.extra_args))
