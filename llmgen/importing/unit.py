"""systemd units: the server of their ExecStart=, its variables, whom it runs as."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from llmgen.importing.llama_swap.command import of_words
from llmgen.importing.parts import Item, Key, Part, fault, items_of, lost, part_of
from llmgen.importing.shell import from_script
from llmgen.importing.standalone import Running, of_command, serves, standalone

_SECTION = re.compile(r"^[ \t]*\[(?:Unit|Service|Install|Container)\][ \t]*$", re.MULTILINE)
_SERVICES: Final = ("services",)
_SHELLS: Final = ("sh", "bash", "dash", "zsh")
# Directives that llmgen writes into its own units, derived or fixed.
_OWN: Final = frozenset(
    {
        "After", "Wants", "Requires", "Before", "BindsTo", "PartOf", "StartLimitBurst",
        "StartLimitIntervalSec", "Type", "Restart", "RestartSec", "TimeoutStartSec",
        "TimeoutStopSec", "TimeoutSec", "KillSignal", "KillMode", "LimitMEMLOCK", "MemoryMax",
        "MemoryHigh", "StandardOutput", "StandardError", "SyslogIdentifier", "WantedBy", "Alias",
        "WorkingDirectory", "Documentation", "SuccessExitStatus", "RestartPreventExitStatus",
    }
)  # fmt: skip


def is_unit(text: str) -> bool:
    """Whether a text is a systemd service with a command."""
    return bool(_SECTION.search(text)) and ("ExecStart" in text or "Image=" in text)


def from_unit(text: str) -> Part:
    """The always-on model that the unit serves, or llama-swap's address."""
    return part_of(_items([*_directives(text)]))


def _items(directives: list[tuple[str, str]]) -> Iterator[Item]:
    variables: dict[str, str] = {}
    for key, value in directives:
        if key == "Environment":
            variables |= dict(word.partition("=")[::2] for word in shlex.split(value))
    folder = next((value for key, value in directives if key == "WorkingDirectory"), "")
    started = False
    for key, value in directives:
        match key:
            case "ExecStart":
                started = True
                found = [*_start(value, variables, folder)]
                yield from found
                yield from _described(found, directives)
            case "User" | "Group":
                yield Key(_SERVICES, ("scope",), "system")
                yield Key(_SERVICES, (key.lower(),), value)
            case "SupplementaryGroups":
                yield Key(_SERVICES, ("groups",), value.split())
            case "EnvironmentFile":
                yield fault(
                    "environment-file",
                    f"variables stand in `{value.lstrip('-')}`, which is not read here",
                    f"`llmgen import UNIT {value.lstrip('-')}` reads both",
                )
            case _:
                continue
    if words := [*_quadlet(directives)]:
        started = True
        found = [*standalone(of_command("the unit", words, variables), set())]
        yield from found
        yield from _described(found, directives)
    if not started:
        yield lost("the unit", "it has no ExecStart=")
    own = [key for key, _ in directives if key in _OWN]
    if own:
        yield lost(_listed(own), "llmgen writes its units itself")
    others = [key for key, _ in directives if key not in _OWN | _READ | {*_CONTAINER}]
    if others:
        yield lost(_listed(others), "llm.toml has no key for it; `systemctl edit` adds it")


# Keys of a `.container` file (podman-systemd.unit) as options of `podman run`.
_CONTAINER: Final = {
    "AddDevice": "--device", "ContainerName": "--name", "Environment": "--env", "Exec": "",
    "Image": "", "Network": "--network", "PodmanArgs": "", "PublishPort": "--publish",
    "ShmSize": "--shm-size", "Volume": "--volume",
}  # fmt: skip


def _quadlet(directives: list[tuple[str, str]]) -> Iterator[str]:
    """The `podman run` that a `.container` file stands for; nothing for another unit."""
    told = dict(directives)
    if "Image" not in told:
        return
    yield from ("podman", "run")
    for key, value in directives:
        if option := _CONTAINER.get(key):
            values = shlex.split(value) if key == "Environment" else [value]
            yield from (word for item in values for word in (option, item.replace("%h", "~")))
        elif key == "PodmanArgs":
            yield from shlex.split(value)
    yield told["Image"]
    yield from shlex.split(told.get("Exec", ""))


def _described(found: list[Item], directives: list[tuple[str, str]]) -> Iterator[Item]:
    """The unit's description, where it is that of one model."""
    models = {item.table for item in found if isinstance(item, Key) and item.table[0] == "models"}
    text = next((value for key, value in directives if key == "Description"), "")
    if len(models) == 1 and text:
        yield Key(models.pop(), ("description",), text)
    elif text:
        yield lost(f"`Description={text}`", "llmgen's units say what they are")


_READ: Final = frozenset(
    {"ExecStart", "User", "Group", "SupplementaryGroups", "EnvironmentFile", "Environment",
     "Description"}
)  # fmt: skip


def _listed(keys: list[str]) -> str:
    return ", ".join(f"`{key}=`" for key in dict.fromkeys(keys))


def _start(text: str, variables: dict[str, str], folder: str) -> Iterator[Item]:
    words = shlex.split(text.lstrip("@-:+!|"))
    words = [word for item in words for word in _filled(item, variables)]
    command = of_words(words)
    variables = {**variables, **dict(row.partition("=")[::2] for row in command.environment)}
    if command.wrapper:
        wrapper = " ".join(command.wrapper)
        yield lost(f"`{wrapper}` before the command", "llmgen starts it itself")
    name = PurePosixPath(command.program).name
    if name in _SHELLS and "-c" in command.arguments[:-1]:
        inner = command.arguments[command.arguments.index("-c") + 1]
        exports = "".join(f"export {key}={shlex.quote(item)}\n" for key, item in variables.items())
        yield from items_of(from_script(f"#!/bin/sh\n{exports}{inner}\n"))
        return
    if name.startswith("llama-swap"):
        yield from _swap(command.arguments)
        return
    found: Running = of_command(
        "the unit", [command.program, *command.arguments], variables, folder.replace("%h", "~")
    )
    if serves(found):
        yield from standalone(found, set())
    else:
        yield lost(f"`{text}`", "it is no server of models that llmgen knows")


def _filled(word: str, variables: dict[str, str]) -> list[str]:
    """`$NAME` alone is split at spaces, `${NAME}` is not (systemd.service, command lines)."""
    if word.startswith("$") and word[1:] in variables:
        return variables[word[1:]].split()
    return [
        re.sub(r"\$\{(\w+)\}|\$(\w+)", lambda m: variables.get(m[1] or m[2], m[0]), word)
        .replace("%h", "~")
        .replace("%%", "%")
    ]


def _swap(arguments: tuple[str, ...]) -> Iterator[Item]:
    """llama-swap itself: its address; the models are in its file."""
    told = {
        word.lstrip("-").partition("=")[0]: word.partition("=")[2] or following
        for word, following in zip(arguments, (*arguments[1:], ""), strict=True)
        if word.startswith("-")
    }
    host, _, port = told.get("listen", "").rpartition(":")
    if port.isdigit():
        yield Key(("services", "llama_swap"), ("port",), int(port))
    if host not in ("", "127.0.0.1", "localhost", "[::1]") or (port and not host):
        yield lost(
            f"the address `{told['listen']}` of llama-swap",
            "everybody could use it: `listen` in [services.llama_swap] goes with `api_keys`",
        )
    if "watch-config" in told:
        yield Key(("services", "llama_swap"), ("watch_config",), value=True)
    for key, value in told.items():
        if key in ("tls-cert-file", "tls-key-file"):
            yield lost(f"`-{key} {value}` of llama-swap", "`tls` is a key of [gateway.envoy]")
    if config := told.get("config") or told.get("config-dir"):
        yield fault(
            "swap-file",
            f"the models are in `{config}`, which is not read here",
            f"`llmgen import UNIT {config}` reads both",
        )


def _directives(text: str) -> Iterator[tuple[str, str]]:
    """Every `KEY=VALUE`, continued lines joined, comments within them gone."""
    waiting: list[str] = []
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith(("#", ";")) or (not waiting and (not line or line.startswith("["))):
            continue
        goes_on = line.endswith("\\")
        waiting.append(line.removesuffix("\\").rstrip())
        if goes_on:
            continue
        key, equals, value = " ".join(waiting).partition("=")
        if equals:
            yield key.strip(), value.strip()
        waiting = []
