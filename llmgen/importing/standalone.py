"""A server that somebody starts by hand, by a unit or in a container, as an always-on model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any, Final

from msgspec import Struct, field

from llmgen.importing.command_line import keys_of
from llmgen.importing.containers import ImportedContainer, outside, run_of, table
from llmgen.importing.llama_swap.command import is_llama_server, name_of
from llmgen.importing.llama_swap.environment import environment, option_words
from llmgen.importing.llama_swap.servers import without_address
from llmgen.importing.open_webui import is_page, page
from llmgen.importing.parts import SOURCES, Item, Key, lost
from llmgen.importing.roles import role_of

# llama-server's own port, when nobody names one.
_PORT: Final = 8080
# Other programs that serve models: the words that begin their commands.
_SERVERS: Final = re.compile(
    r"(^|[/ ])(vllm|sglang|text-embeddings-router|whisper-server|sd-server|mlx_lm[.\w]*|koboldcpp"
    r"|tabbyapi|lmdeploy|infinity_emb|llamafile|aphrodite|exllama\w*|kokoro\w*|piper\w*)\b"
)
_IMAGES: Final = re.compile(
    r"vllm|sglang|text-embeddings-inference|whisper|stable-diffusion|comfyui|koboldcpp|tabbyapi"
    r"|lmdeploy|infinity|kokoro|piper|speaches|ollama|localai|text-generation-inference|aphrodite"
)


class Running(Struct, frozen=True):
    """One server: what starts it, its variables, the container around it; ``where`` names it."""

    where: str
    program: str
    arguments: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    container: ImportedContainer | None = None
    hint: str = ""
    folder: str = ""


def of_command(
    where: str, words: Sequence[str], variables: Mapping[str, str], folder: str = ""
) -> Running:
    """The server of a command, in its container where it starts one."""
    container = run_of(words)
    if container is None:
        program = below(words[0], folder) if words and "/" in words[0] else "".join(words[:1])
        return Running(where, program, tuple(words[1:]), variables, folder=folder)
    own = {**variables, **dict(container.environment)}
    first = container.words[0] if container.words else ""
    program = container.entrypoint or first or container.image
    return Running(where, program, container.arguments, own, container, container.name)


def below(path: str, folder: str) -> str:
    """A relative path where its program is started, as far as that is known."""
    if not folder.startswith(("/", "~")) or path.startswith(("/", "~")):
        return path
    return str(PurePosixPath(folder, path))


def serves(found: Running) -> bool:
    """Whether it is a server of models, or the page for them, as far as its name tells."""
    if found.container is not None:
        image = found.container.image
        if is_page(found.container):
            return True
        return found.container.is_llama_server or bool(_IMAGES.search(image))
    words = " ".join((found.program, *found.arguments[:3]))
    return is_llama_server(found.program) or bool(_SERVERS.search(words))


def standalone(found: Running, taken: set[str]) -> Iterator[Item]:
    """[models.NAME] of it; ``taken`` are names of the same file, to which its own is added."""
    if found.container is not None and is_page(found.container):
        yield from page(found.where, found.container)
        return
    llama = found.container.is_llama_server if found.container else is_llama_server(found.program)
    if llama:
        yield from _llama(found, taken)
    else:
        yield from _other(found, taken)


def _llama(found: Running, taken: set[str]) -> Iterator[Item]:
    container = found.container
    arguments = tuple(_outside(word, container) for word in found.arguments)
    words, told = without_address(found.where, arguments)
    rows = [f"{key}={value}" for key, value in found.variables.items()]
    options = [_outside(word, container) for word in option_words(rows, ())]
    options, more = without_address(found.where, tuple(options))
    own = container is None and found.program.startswith(("/", "~"))
    keys, faults = keys_of(found.where, [*options, *words], fork=own)
    if not SOURCES & keys.keys():
        yield lost(f"{found.where}", "its command names no model")
        return
    if isinstance(model := keys.get("model"), str):
        keys["model"] = below(model, found.folder)
    name = _name(keys, found.hint, taken)
    place = ("models", name)
    yield from (*_addressed(told, more, container), *faults)
    for key, value in keys.items():
        yield Key(place, (key,), value)
    yield Key(place, ("keep",), "always")
    if port := _port(found, arguments):
        yield Key(place, ("port",), port)
    if container is not None:
        yield Key(place, ("container",), table(container))
        if container.devices is not None and "device" not in keys:
            yield Key(place, ("device",), [f"gpu{number}" for number in container.devices])
    elif own:
        yield Key(place, ("llama_server",), found.program)
    yield from environment(name, rows, ())


def _addressed(
    told: Sequence[Item], more: Sequence[Item], container: ImportedContainer | None
) -> Sequence[Item]:
    """Within a container a server has to listen on every address; published is another matter."""
    return () if container is not None else (*told, *more)


def _outside(word: str, container: ImportedContainer | None) -> str:
    return word if container is None else outside(word, container.volumes)


def _name(keys: dict[str, Any], hint: str, taken: set[str]) -> str:
    """Its first alias, the name of what runs it, or that of its file."""
    aliases = keys.get("aliases") or []
    source = str(keys.get("model") or keys.get("hf_repo") or keys.get("ollama") or "model")
    stem = re.sub(r"(-\d{5}-of-\d{5})?\.gguf$", "", PurePosixPath(source).name)
    name = aliases[0] if aliases else stem.removesuffix("-GGUF") or hint
    if aliases[1:]:
        keys["aliases"] = aliases[1:]
    else:
        keys.pop("aliases", None)
    return free(name, taken)


def free(name: str, taken: set[str]) -> str:
    """The name, with a number where the file has it already; it is taken then."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    taken.add(found)
    return found


def _port(found: Running, arguments: Sequence[str]) -> int:
    """Where clients reach it."""
    if found.container is not None and found.container.ports:
        text = found.container.outside_port
        return int(text) if text.isdigit() else 0
    following = dict(pairwise(arguments))
    told = following.get("--port") or found.variables.get("LLAMA_ARG_PORT") or ""
    joined = next((word for word in arguments if word.startswith("--port=")), "")
    text = told or joined.removeprefix("--port=")
    if not text:
        return _PORT
    return int(text) if text.isdigit() else 0


def _other(found: Running, taken: set[str]) -> Iterator[Item]:
    """A program that llmgen does not model, as its command."""
    container = found.container
    what = name_of(container.image.partition(":")[0] if container else found.program)
    name = free(found.hint or what, taken)
    place = ("models", name)
    words = [*((found.program,) if container is None else ()), *found.arguments]
    port = _port(found, words) if container is None else 0
    if container is not None and container.outside_port.isdigit():
        port = int(container.outside_port)
    told = [*words, *((container.image,) if container else ())]
    role = role_of((name, *told))
    yield Key(place, ("engine",), "command")
    yield Key(place, ("cmd",), [_ported(word, port) for word in words])
    if role != "chat":
        yield Key(place, ("role",), role)
    yield Key(place, ("keep",), "always")
    if port:
        yield Key(place, ("port",), port)
    if container is not None:
        yield Key(place, ("container",), table(container))
    rows = [f"{key}={value}" for key, value in found.variables.items()]
    yield from environment(name, rows, ())


def _ported(word: str, port: int) -> str:
    return "${PORT}" if port and word == str(port) else word
