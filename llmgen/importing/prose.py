"""Documents and scripts: tables of models and aliases, and commands that cannot work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from llmgen.config.variables import TablePath
from llmgen.errors import Diagnostic
from llmgen.importing.parts import Part, fault
from llmgen.units import parse_size

# What documents tell people to run, and why it does nothing or harm: pattern, code, sentence, hint.
_COMMANDS: tuple[tuple[str, str, str, str], ...] = (
    (
        r"POST\s+\S*?/models/unload\b(?<!/api/models/unload)",
        "no-such-route",
        "`POST /models/unload` is no route of llama-swap",
        "`llmgen unload`, or `POST /api/models/unload`",
    ),
    (
        r"POST\s+\S*?/unload\?model=",
        "no-such-route",
        "`POST /unload?model=` is no route of llama-swap: nothing is unloaded",
        "`llmgen unload MODEL`, or `POST /api/models/unload/MODEL`",
    ),
    (
        r"-DGGML_CUDA_ENABLE_UNIFIED_MEMORY",
        "build-flag-is-environment",
        "`GGML_CUDA_ENABLE_UNIFIED_MEMORY` is read when the server runs; CMake ignores it",
        '`environment = { GGML_CUDA_ENABLE_UNIFIED_MEMORY = "1" }` in [hardware]',
    ),
    (
        r"(?:n_layers|layers)\s*(?:\u00d7|[x*])\s*d_model",
        "cache-by-hidden-size",
        "the KV formula multiplies by the hidden size, and models store key and value heads alone",
        "`llmgen inspect MODEL --explain` shows the arithmetic of the server",
    ),
    (
        r"source\s+\S+\.conf",
        "conf-sourced-by-shell",
        "a `.conf` with unquoted options breaks when a shell sources it",
        "llmgen's `.conf` files are valid for a shell and as a systemd EnvironmentFile",
    ),
    (
        r"All \d+ layers|GPU_LAYERS=([3-9]\d|[1-9]\d\d)\b(?<!999)",
        "layers-by-number",
        "a number of layers is written down; the model has as many as its header says",
        '`n_gpu_layers = "all"`',
    ),
    (
        r"(?:llama-server|cmd)\b(?:(?!llama-server|cmd)[^\n])*--mlock|^[ \t]*--mlock|### --mlock",
        "removed-option",
        "`--mlock` is gone since b10105: newer servers do not start with it",
        '`load_mode = "mlock"` writes what the aimed build knows',
    ),
    (
        r"may require 192 GB\+",
        "context-by-guess",
        "the advice on context sizes is a guess: cache grows with KV heads and windows",
        "`llmgen fit MODEL` prints what fits",
    ),
    (
        r"pkill|killall\s+llama-server",
        "kills-by-name",
        "every llama-server of the machine is killed, whoever started it",
        "`llmgen down` stops what llmgen installed",
    ),
)
_FENCE = re.compile(r"^[ \t]*```\w*[ \t]*\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)
_CELLS = re.compile(r"^\s*\|(.+)\|\s*$")


def blocks(text: str) -> Iterator[str]:
    """Fenced code of a Markdown text, without common indentation."""
    from textwrap import dedent  # noqa: PLC0415 - only documents need it

    for match in _FENCE.finditer(text):
        yield dedent(match[1])


def from_prose(text: str) -> Part:
    """Model and alias tables of a document, and its commands' faults."""
    tables: dict[TablePath, dict[str, Any]] = {}
    for header, rows in _tables(text):
        if {"service", "model", "context"} <= set(header):
            tables |= _models(header, rows)
        elif header[:1] == ["request model"]:
            _aliases(tables, rows)
    return Part(tables, tuple(_faults(text)))


def _faults(text: str) -> Iterator[Diagnostic]:
    for pattern, code, sentence, hint in _COMMANDS:
        if re.search(pattern, text, re.MULTILINE):
            yield fault(code, sentence, hint)


def _tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    lines = [*text.splitlines(), ""]
    at = 0
    while at < len(lines) - 1:
        header, at = lines[at], at + 1
        if _CELLS.match(header) and re.fullmatch(r"\s*\|[\s|:-]+\|\s*", lines[at]):
            rows = [*takewhile(_CELLS.match, lines[at + 1 :])]
            at += 1 + len(rows)
            yield [cell.lower() for cell in _cells(header)], [_cells(row) for row in rows]


def _cells(line: str) -> list[str]:
    return [cell.strip().strip("*` ") for cell in line.strip().strip("|").split("|")]


def _models(header: list[str], rows: list[list[str]]) -> dict[TablePath, dict[str, Any]]:
    found: dict[TablePath, dict[str, Any]] = {}
    for cells in rows:
        row = dict(zip(header, cells, strict=False))
        try:
            context = parse_size(row["context"])
        except ValueError:
            continue
        name = re.sub(r"[^a-z0-9.]+", "-", row["model"].lower()).strip("-")
        keys: dict[str, Any] = {
            "role": _role(row["service"]),
            "title": row["model"],
            "model": f"{row['model'].replace(' ', '-')}.gguf",
            "ctx_size": context,
            "keep": "always",
        }
        if row.get("port", "").isdigit():
            keys["port"] = int(row["port"])
        found["models", name] = keys
    return found


def _role(service: str) -> str:
    words = service.lower()
    if "rerank" in words:
        return "rerank"
    return "embedding" if "embed" in words else "chat"


def _aliases(tables: dict[TablePath, dict[str, Any]], rows: list[list[str]]) -> None:
    models: dict[str, list[dict[str, Any]]] = {}
    for path, keys in tables.items():
        if path[0] == "models":
            models.setdefault(_letters(keys["title"])[:10], []).append(keys)
    for names, target in ((row[0], row[1]) for row in rows if len(row) > 1):
        for keys in models.get(_letters(target)[:10], ()):
            keys.setdefault("aliases", []).extend(name.strip("` ") for name in names.split(","))


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
