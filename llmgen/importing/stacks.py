"""Files of known stacks: custom_models.yaml, a manager's config.json, environment files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from llmgen.errors import Diagnostic
from llmgen.importing.command_line import ALL_LAYERS_FROM, keys_of
from llmgen.importing.model import Part, TablePath, fault, lost

_LINE = re.compile(r"^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)=(.*)$")
_COMMENT = re.compile(r"\s#")
# Environment names of the stacks: table, key, and what the text becomes.
_ENVIRONMENT: dict[str, tuple[TablePath, str]] = {
    "LLAMA_SWAP_PORT": (("services", "llama_swap"), "port"),
    "LLAMA_PORT": (("services", "llama_swap"), "port"),
    "MODEL_TTL": (("defaults",), "ttl"),
    "MODELS_DIR": (("paths",), "models"),
    "DEFAULT_CTX_SIZE": (("defaults",), "ctx_size"),
    "CONTEXT_SIZE": (("defaults",), "ctx_size"),
    "DEFAULT_PARALLEL": (("defaults",), "parallel"),
    "GPU_LAYERS": (("defaults",), "n_gpu_layers"),
    "MEMORY_PRESSURE_THRESHOLD": (("guard",), "threshold"),
    "PRESSURE_CHECK_INTERVAL": (("guard",), "interval"),
}
_RENAMED = {"OPENAI_API_BASE": "OPENAI_BASE_URL"}


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
    server, manager = document.get("server") or {}, document["model_manager"]
    defaults: dict[str, Any] = {}
    faults: list[Diagnostic] = []
    if "n_ctx" in manager:
        defaults["ctx_size"] = manager["n_ctx"]
        faults.append(
            fault(
                "one-context-for-all",
                f"`n_ctx = {manager['n_ctx']}` is for every model, whatever it was trained for or "
                "needs",
                '`ctx_size` of each model, or "max"',
            )
        )
    if "n_gpu_layers" in manager:
        layers = manager["n_gpu_layers"]
        defaults["n_gpu_layers"] = "all" if layers < 0 or layers >= ALL_LAYERS_FROM else layers
    if "n_threads" in manager:
        defaults["threads"] = manager["n_threads"]
    if "idle_timeout" in manager:
        defaults["ttl"] = manager["idle_timeout"]
    tables: dict[TablePath, dict[str, Any]] = {("defaults",): defaults}
    if "models_directory" in manager:
        tables["paths",] = {"models": manager["models_directory"]}
    swap = {to: server[key] for key, to in (("host", "listen"), ("port", "port")) if key in server}
    tables["services", "llama_swap"] = swap
    if server.get("cors_origins"):
        tables["gateway", "envoy"] = {"cors_origins": server["cors_origins"]}
    model = manager.get("default_model")
    if model:
        stem = PurePosixPath(model).stem
        tables["models", stem] = {"model": model, "default": True, "aliases": [model]}
    return Part(tables, tuple(faults))


def is_environment(text: str) -> bool:
    """Whether a text has a variable that a known stack sets."""
    names = {match[1] for line in text.splitlines() if (match := _LINE.match(line))}
    return bool(names & {*_ENVIRONMENT, *_RENAMED, "MODEL_FILE", "MODEL_PREFIX"})


def from_environment(text: str) -> Part:
    """Settings of an environment file."""
    tables: dict[TablePath, dict[str, Any]] = {}
    faults: list[Diagnostic] = []
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name, value = match[1], _COMMENT.split(match[2], maxsplit=1)[0].strip().strip("\"'")
        if name in _ENVIRONMENT:
            path, key = _ENVIRONMENT[name]
            tables.setdefault(path, {})[key] = _value(key, value)
        elif name == "MODEL_FILE":
            stem = re.sub(r"(-\d{5}-of-\d{5})?\.gguf$", "", PurePosixPath(value).name)
            tables["models", stem] = {"model": value, "default": True}
            faults.append(
                fault(
                    "model-file-switch",
                    "`MODEL_FILE` is called the switch, and a command line that names the file "
                    "itself does not read it",
                    "llmgen writes one command line for each model",
                )
            )
        faults += _old_names(name)
    return Part(tables, tuple(faults))


def _value(key: str, value: str) -> int | str:
    if key == "n_gpu_layers" and value.isdigit() and int(value) >= ALL_LAYERS_FROM:
        return "all"
    return int(value) if value.isdigit() else value


def _old_names(name: str) -> Iterator[Diagnostic]:
    if name in _RENAMED:
        yield fault(
            "old-variable",
            f"`{name}` is no longer read by OpenAI's own clients",
            f"`{_RENAMED[name]}`; the `clients` target writes an environment file",
        )
