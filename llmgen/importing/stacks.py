"""Files of known stacks: custom_models.yaml, a manager's config.json, environment files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from llmgen.config.tables.base import PREFIX
from llmgen.config.variables import VARIABLES, TablePath
from llmgen.errors import Diagnostic
from llmgen.importing.command_line import ALL_LAYERS_FROM, keys_of, words_of
from llmgen.importing.llama_swap.servers import without_address
from llmgen.importing.parts import Item, Key, Part, fault, is_secret, lost, part_of
from llmgen.options import is_option_variable

_LINE = re.compile(r"^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)=(.*)$")
_COMMENT = re.compile(r"\s#")
# Environment names of the stacks: table, key, and what the text becomes.
_RENAMED = {"OPENAI_API_BASE": "OPENAI_BASE_URL"}
# Variables of the stacks that have no key, and why none is needed.
_NOTHING: Final[Mapping[str, str]] = {
    "BRIDGE_SYNC_INTERVAL": (
        "LiteLLM's models are always those of llm.toml; "
        "`[sync] interval` is how often that follows the stores"
    ),
}
# Settings of the programs that servers are built with, which are the same for all of them.
_BACKENDS: Final = ("GGML_", "CUDA_", "HSA_", "HIP_", "ROCR_", "ROCBLAS_", "VK_", "HF_", "OMP_")


def is_custom_models(document: object) -> bool:
    """Whether a YAML document is a custom_models.yaml: settings of models, without commands."""
    models = document.get("models") if isinstance(document, dict) else None
    keys = {"sampler_args", "ctx_size", "base_model", "backend"}
    return isinstance(models, dict) and any(
        isinstance(item, dict) and keys & set(item) for item in models.values()
    )


def from_custom_models(document: Mapping[str, Any]) -> Part:
    """Models of an Ollama store with their own settings."""
    tables: dict[TablePath, dict[str, Any]] = {}
    faults: list[Diagnostic] = []
    for name, table in document["models"].items():
        keys, found = keys_of(str(name), shlex.split(str(table.get("sampler_args", ""))))
        faults += found
        keys["ollama"] = str(name)
        for key in ("ctx_size", "ttl", "chat_template_file", "mmproj", "jinja"):
            if key in table:
                keys[key] = table[key]
        if "cmd" in table:
            faults.append(lost(f"`cmd` of `{name}`", "write its options as keys"))
        tables["models", str(name)] = keys
    return Part(tables, tuple(faults))


def is_manager(document: object) -> bool:
    """Whether a JSON document is a `server` and `model_manager` configuration."""
    return isinstance(document, dict) and "model_manager" in document


def from_manager(document: Mapping[str, Any]) -> Part:
    """A manager that serves a folder of models with one set of options."""
    return part_of(_manager(document))


# Keys of `model_manager` that are [defaults], and what their values become.
_MANAGER: Final[Mapping[str, str]] = {
    "flash_attn": "flash_attn",
    "idle_timeout": "ttl",
    "n_batch": "batch_size",
    "n_ctx": "ctx_size",
    "n_gpu_layers": "n_gpu_layers",
    "n_parallel": "parallel",
    "n_threads": "threads",
    "n_ubatch": "ubatch_size",
}
_LEVELS: Final = {"warning": "warn", "critical": "error"}


def _manager(document: Mapping[str, Any]) -> Iterator[Item]:
    for key, value in (document.get("server") or {}).items():
        yield from _server(key, value)
    for key, value in document["model_manager"].items():
        match key:
            case "models_directory":
                yield Key(("paths",), ("models",), value)
            case "default_model" if value:
                stem = PurePosixPath(value).stem
                for name, item in (("model", value), ("default", True), ("aliases", [value])):
                    yield Key(("models", stem), (name,), item)
            case "check_interval":
                yield lost(f"`{key}`", "llama-swap looks for idle models every second")
            case _ if key in _MANAGER:
                yield Key(("defaults",), (_MANAGER[key],), _setting(key, value))
            case _:
                yield lost(f"`model_manager.{key}`", "llm.toml has no key for it")
        if key == "n_ctx":
            yield fault(
                "one-context-for-all",
                f"`n_ctx = {value}` is for every model, whatever it was trained for or needs",
                '`ctx_size` of each model, or "max"',
            )
    for key in document:
        if key not in ("server", "model_manager"):
            yield lost(f"`{key}`", "llm.toml has no key for it")


def _server(key: str, value: Any) -> Iterator[Item]:  # noqa: ANN401 - any JSON value
    swap = ("services", "llama_swap")
    match key:
        case "port":
            yield Key(swap, ("port",), value)
        case "host" if value in ("127.0.0.1", "localhost", "::1"):
            yield Key(swap, ("listen",), "127.0.0.1")
        case "host":
            yield lost(
                f"`host: {value}`",
                "everybody could use it: `listen` in [services.llama_swap] goes with `api_keys`",
            )
        case "log_level" if str(value).lower() != "critical":
            level = str(value).lower()
            yield Key(swap, ("log_level",), _LEVELS.get(level, level))
        case "cors_origins" if value:
            yield Key(("gateway", "envoy"), ("cors_origins",), value)
        case _:
            yield lost(f"`server.{key}`", "llm.toml has no key for it")


def _setting(key: str, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    match key, value:
        case "n_gpu_layers", int() if value < 0 or value >= ALL_LAYERS_FROM:
            return "all"
        case "flash_attn", bool():
            return "on" if value else "off"
        case _:
            return value


def is_environment(text: str) -> bool:
    """Whether a text has a variable that a known stack or llama-server itself reads."""
    names = {match[1] for line in text.splitlines() if (match := _LINE.match(line))}
    known = {*VARIABLES, *_RENAMED, *_NOTHING, "MODEL_FILE"}
    return bool(names & known) or any(map(is_option_variable, names))


def from_environment(text: str) -> Part:
    """Settings of an environment file."""
    pairs = [
        (match[1], _COMMENT.split(match[2], maxsplit=1)[0].strip().strip("\"'"))
        for line in text.splitlines()
        if (match := _LINE.match(line))
    ]
    return part_of(_environment(pairs))


def _environment(pairs: list[tuple[str, str]]) -> Iterator[Item]:
    yield from _options([pair for pair in pairs if is_option_variable(pair[0])])
    others = []
    for name, value in pairs:
        if name == "MODEL_PREFIX" and not re.fullmatch(PREFIX, value):
            yield lost(f"`{name}={value}`", "a prefix is letters, digits and . _ : / -")
        elif name in VARIABLES:
            path, key = VARIABLES[name]
            yield Key(path, (key,), _value(key, value))
        elif name == "MODEL_FILE":
            stem = re.sub(r"(-\d{5}-of-\d{5})?\.gguf$", "", PurePosixPath(value).name)
            yield Key(("models", stem), ("model",), value)
            yield Key(("models", stem), ("default",), value=True)
            yield fault(
                "model-file-switch",
                "`MODEL_FILE` is called the switch, and a command line that names the file "
                "itself does not read it",
                "llmgen writes one command line for each model",
            )
        elif name in _RENAMED:
            yield fault(
                "old-variable",
                f"`{name}` is no longer read by OpenAI's own clients",
                f"`{_RENAMED[name]}`; the `clients` target writes an environment file",
            )
        elif name in _NOTHING:
            yield lost(f"`{name}`", _NOTHING[name])
        elif name.startswith(_BACKENDS) and not is_secret(name):
            yield Key(("defaults",), ("environment", name), value)
        elif not is_option_variable(name):
            others.append(name)
    if others:
        named = ", ".join(f"`{name}`" for name in dict.fromkeys(others))
        yield lost(named, "llmgen knows nothing that they set")


def _options(pairs: list[tuple[str, str]]) -> Iterator[Item]:
    """llama-server's own variables: of the model that they name, else of every one."""
    words = [word for name, value in pairs if not is_secret(name) for word in words_of(name, value)]
    for name in (name for name, _ in pairs if is_secret(name)):
        yield fault(
            "secret-in-clear",
            f"`{name}` is the key of a llama-server",
            f'`api_key = {{ env = "{name}" }}` in [services]',
        )
    kept, told = without_address("the environment file", tuple(words))
    keys, faults = keys_of("the environment file", kept)
    yield from (*told, *faults)
    source = keys.get("model") or keys.get("hf_repo")
    table: TablePath = ("defaults",)
    if source:
        stem = re.sub(r"(-\d{5}-of-\d{5})?\.gguf$", "", PurePosixPath(str(source)).name)
        table = ("models", stem.removesuffix("-GGUF"))
    for key, value in keys.items():
        yield Key(table, (key,), value)


def _value(key: str, value: str) -> int | str:
    if key == "n_gpu_layers" and value.isdigit() and int(value) >= ALL_LAYERS_FROM:
        return "all"
    return int(value) if value.isdigit() and key != "prefix" else value
