"""The process of any model: its command, what stops it, how it is reached and asked."""

from __future__ import annotations

from typing import Final

from llmgen.budget.settings import ServerSettings
from llmgen.engines.base import Listen
from llmgen.engines.command import PORT, filled, split
from llmgen.engines.container import (
    ContainerTable,
    Outside,
    Wrapped,
    container_name,
    listens,
    wrapped,
)
from llmgen.gateway import addresses
from llmgen.library import Keep, Library, Model
from llmgen.plan import command

NEVER_ASKED: Final = "none"


def argv(
    model: Model, settings: ServerSettings, library: Library, *, port: int = 0
) -> tuple[str, ...]:
    """The whole command; without a port it has llama-swap's macro, llama-server's none at all."""
    if model.is_plain:
        return command.argv(model, settings, library, port=port)
    if model.container is not None:
        return _wrapped(model, model.container, settings, library, port).argv
    host = addresses.listens(library) if model.keep is Keep.ALWAYS else addresses.LOOPBACK
    words = _words(model, settings, library, host, told(port))
    return (model.program, *words) if model.program else words


def stop(
    model: Model, settings: ServerSettings, library: Library, *, port: int = 0
) -> tuple[str, ...]:
    """What stops it where a signal would not; nothing else."""
    if model.container is not None:
        return _wrapped(model, model.container, settings, library, port).stop
    if model.served is None:
        return ()
    words = split(model.served.get("cmd_stop", ()))
    return tuple(filled(word, model.name, told(port)) for word in words)


def told(port: int) -> str:
    """The port, or llama-swap's macro for the one that it chooses."""
    return str(port) if port else PORT


def health(model: Model) -> str:
    """The path that answers 200 when it is ready; ``none`` where nothing does."""
    own = model.served.get("check_endpoint") if model.served is not None else None
    return own or model.engine.health


def reached(model: Model, port: int, host: str = addresses.LOOPBACK) -> str:
    """The URL of the server, for what reaches it under the name or address ``host``."""
    own = model.served.get("proxy") if model.served is not None else None
    url: str = own or f"http://{host}:{PORT}"
    return url.replace(PORT, told(port))


def upstream(model: Model) -> str:
    """The only name that the server answers to; empty where any will do."""
    own = model.served.get("upstream_model") if model.served is not None else None
    return own or model.engine.upstream or (model.name if model.engine.insists else "")


def _words(
    model: Model, settings: ServerSettings, library: Library, host: str, port: str
) -> tuple[str, ...]:
    """What follows the program."""
    if model.served is not None:
        return tuple(model.engine.words(model.served, Listen(host, port)))
    options = command.words(command.assignments(model, settings, library))
    return (*options, "--host", host, "--port", port, *model.extra_args)


def _wrapped(
    model: Model, container: ContainerTable, settings: ServerSettings, library: Library, port: int
) -> Wrapped:
    """The command in its container, and what stops that."""
    host, inner = listens(container, told(port))
    every = [device.key for device in library.machine.devices]
    # llama-server names devices by their number on the machine, so it has to see all of them.
    used = every if model.is_llama and settings.devices else settings.devices
    return wrapped(
        container,
        container_name(model.name),
        _entry(model),
        _words(model, settings, library, host, inner),
        Outside(
            backend=library.machine.backend,
            devices=tuple(every.index(key) for key in used),
            models=library.layout.models,
            files=_files(model),
            port=told(port),
            environment=_variables(model, library),
            stop_seconds=library.config.services.stop_timeout,
        ),
        engine_args=model.engine.container_args,
    )


def _entry(model: Model) -> str:
    """The program within; a command's image has its own."""
    return model.program or model.engine.container_program


def _files(model: Model) -> tuple[str, ...]:
    """Files and folders of the machine that the command speaks of."""
    if model.served is not None:
        own = model.served.model
        return (*((own,) if own.startswith("/") else ()), *model.served.files.values())
    paths = (model.path, model.mmproj_path, model.draft_path)
    return tuple(str(path) for path in paths if path is not None)


def _variables(model: Model, library: Library) -> tuple[str, ...]:
    """Variables that are handed on into the container, by name alone."""
    key = model.engine.key_variable if library.config.services.api_key else ""
    return tuple(dict.fromkeys((*((key,) if key else ()), *model.environment)))
