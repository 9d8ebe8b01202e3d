"""What a command of llama-swap serves, and where: llama-server's options as keys."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PureWindowsPath
from typing import Any, Final

from llmgen.importing.command_line import NO_OPTION, keys_of
from llmgen.importing.containers import ImportedContainer, outside, run_of
from llmgen.importing.containers import table as of_container
from llmgen.importing.llama_swap.command import Command, is_llama_server, split
from llmgen.importing.llama_swap.environment import environment, option_words
from llmgen.importing.llama_swap.macros import MACHINES
from llmgen.importing.llama_swap.others import other
from llmgen.importing.llama_swap.plain_keys import passed
from llmgen.importing.parts import SOURCES, Item, Key, fault, lost

_PROXY = re.compile(r"https?://(\[[^\]]*\]|[^/:]*)(?::([^/]+))?(/.*)?")
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})
_HEALTH: Final = "/health"
# Roles that llmgen would serve always; llama-swap loaded them like all others.
_ALWAYS: Final = ("embedding", "rerank")


def served(
    name: str,
    command: Command,
    table: Mapping[str, Any],
    usual: str,
    ports: Collection[int],
) -> Iterator[Item]:
    """Keys of one model from its `cmd`, and from the keys of llama-swap that go with it."""
    container = run_of((command.program, *command.arguments))
    if container is not None and container.is_llama_server:
        yield from _contained(name, container, table)
    elif is_llama_server(command.program):
        yield from _llama(name, command, table, usual, ports)
    elif command.program:
        yield from other(name, command, table)
    else:
        yield lost(f"`{name}`", "it runs nothing")


def _llama(
    name: str, command: Command, table: Mapping[str, Any], usual: str, ports: Collection[int]
) -> Iterator[Item]:
    place = ("models", name)
    if command.wrapper:
        wrapper = " ".join(command.wrapper)
        yield lost(f"`{wrapper}` of `{name}`", "llmgen starts llama-server itself")
    yield from _program(name, command, usual)
    words, told = without_address(name, command.arguments)
    yield from told
    # The command line wins over the environment.
    options = [*option_words(table.get("env"), command.environment), *words]
    keys, faults = keys_of(name, options)
    if any(item.code == NO_OPTION for item in faults) and _is_absolute(command):
        # Its own program may have them, as forks do.
        keys, faults = keys_of(name, options, fork=True)
        yield Key(place, ("llama_server",), command.program)
    yield from faults
    if not SOURCES & keys.keys():
        # Router mode, or a file that a wrapper names.
        yield from other(name, command, table)
        return
    yield from _model(name, keys, windows=command.windows)
    for key, value in keys.items():
        yield Key(place, (key,), value)
    if keys.get("role") in _ALWAYS:
        yield Key(place, ("keep",), "on_demand")
    yield from _address(name, table, command, ports)
    yield from environment(name, table.get("env"), command.environment)
    for key in ("cmdStop", "checkEndpoint"):
        value = table.get(key)
        if value and (key, value) != ("checkEndpoint", _HEALTH):
            yield from passed(place, "llama_swap", f"`{key}` of `{name}`", key, value)


def _contained(name: str, container: ImportedContainer, table: Mapping[str, Any]) -> Iterator[Item]:
    """llama-server in a container: its options, and the container around them."""
    place = ("models", name)
    words, _ = without_address(
        name, tuple(_outside(word, container) for word in container.arguments)
    )
    inside = [f"{key}={value}" for key, value in container.environment]
    options = [_outside(word, container) for word in option_words(inside, ())]
    keys, faults = keys_of(name, [*options, *words])
    yield from faults
    if not SOURCES & keys.keys():
        yield lost(f"`{name}`", "its command names no model")
        return
    for key, value in keys.items():
        yield Key(place, (key,), value)
    yield Key(place, ("container",), of_container(container))
    if container.devices is not None and "device" not in keys:
        yield Key(place, ("device",), [f"gpu{number}" for number in container.devices])
    if keys.get("role") in _ALWAYS:
        yield Key(place, ("keep",), "on_demand")
    yield from environment(name, inside, ())
    if table.get("env"):
        what = ", ".join(f"`{row}`" for row in table["env"])
        yield lost(
            f"{what} of `{name}`", f"`{container.runtime}` had it, and not the server inside"
        )
    stop = split(str(table.get("cmdStop") or ""))
    if stop and stop[1:2] != ["stop"]:
        yield from passed(
            place, "llama_swap", f"`cmdStop` of `{name}`", "cmdStop", table["cmdStop"]
        )
    if table.get("checkEndpoint") not in (None, "", _HEALTH):
        what = f"`checkEndpoint` of `{name}`"
        yield from passed(place, "llama_swap", what, "checkEndpoint", table["checkEndpoint"])
    proxy = _PROXY.fullmatch(str(table.get("proxy") or ""))
    if proxy is not None and proxy[2] != "${PORT}":
        yield lost(f"`proxy: {table['proxy']}` of `{name}`", "llmgen publishes it on a free port")


def _outside(word: str, container: ImportedContainer) -> str:
    return outside(word, container.volumes)


def _is_absolute(command: Command) -> bool:
    return command.program.startswith(("/", "~")) and not command.windows


def fixed_port(table: Mapping[str, Any]) -> int:
    """The port on this machine that llama-swap is told; 0 where it chooses one."""
    found = _PROXY.fullmatch(str(table.get("proxy") or ""))
    return int(found[2]) if found and found[1] in _LOOPBACK and _is_port(found[2]) else 0


def _program(name: str, command: Command, usual: str) -> Iterator[Item]:
    program = command.program
    if command.windows:
        yield fault(
            "windows",
            f"`{name}` is written for Windows: `{program}`",
            "`llama_server` in [paths], and the model's file below [paths] models",
        )
    elif _is_absolute(command):
        if program != usual:
            yield Key(("models", name), ("llama_server",), program)
    elif "/" in program:
        yield fault(
            "relative-program",
            f"`{name}` runs `{program}` from whatever folder llama-swap was started in",
            "`llama_server` in [paths]",
        )


def without_address(name: str, arguments: tuple[str, ...]) -> tuple[list[str], list[Item]]:
    """The words without `--host` and `--port`, which llmgen sets, and what is to say about them."""
    words: list[str] = []
    told: list[Item] = []
    waiting = iter(arguments)
    for word in waiting:
        option, equals, value = word.partition("=")
        if option not in ("--host", "--port"):
            words.append(word)
            continue
        value = value if equals else next(waiting, "")
        if option == "--host" and value not in _LOOPBACK:
            told.append(
                lost(
                    f"`{option} {value}` of `{name}`",
                    "llmgen's servers listen on loopback, and llama-swap or a gateway in front of "
                    "them where [services.llama_swap] or [gateway] says",
                )
            )
    return words, told


def _model(name: str, keys: dict[str, Any], *, windows: bool) -> Iterator[Item]:
    """Where the file is: below [paths] models, or absolute."""
    for table in (keys, keys.get("draft", {})):
        model = table.get("model")
        if not isinstance(model, str):
            continue
        variable = MACHINES.match(model)
        if windows:
            table["model"] = PureWindowsPath(model).name
        elif variable:
            table["model"] = model[variable.end() :].lstrip("/")
            yield fault(
                "machines-folder",
                f"`{name}` is below `{variable[0]}`, which its own machine knows alone",
                "write that folder as `models` in [paths]",
            )
        elif model.startswith("${"):
            table["model"] = model.partition("/")[2]
        elif not model.startswith(("/", "~")):
            yield fault(
                "relative-model",
                f"`{name}` reads `{model}` from whatever folder llama-swap was started in",
                "llmgen writes absolute paths below [paths] models",
            )


def _address(
    name: str, table: Mapping[str, Any], command: Command, ports: Collection[int]
) -> Iterator[Item]:
    proxy = table.get("proxy")
    if not proxy:
        return
    found = _PROXY.fullmatch(str(proxy))
    what = f"`proxy: {proxy}` of `{name}`"
    if found is None or found[1] not in _LOOPBACK:
        yield lost(what, "llmgen's servers listen on this machine's loopback")
    elif found[3] not in (None, "", "/"):
        yield lost(what, "llama-server's paths begin at the top")
    elif found[2] == "${PORT}":
        return
    elif not _is_port(found[2]) or int(found[2]) in ports:
        yield lost(what, "llama-swap gives each model a port of its own")
    else:
        yield Key(("models", name), ("port",), int(found[2]))
    told = dict(zip(command.arguments, command.arguments[1:], strict=False)).get("--port", "")
    if _is_port(told) and found is not None and told != found[2]:
        yield fault(
            "other-port",
            f"`{name}` listens on {told}, and llama-swap asks {proxy}",
            "llmgen writes one port for both",
        )


def _is_port(text: str | None) -> bool:
    return bool(text) and str(text).isdigit() and 0 < int(str(text)) < 2**16
