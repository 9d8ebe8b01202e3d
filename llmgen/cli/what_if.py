"""``--what-if KEY=VALUE``: a change to llm.toml as one more overlay that no file holds."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

if TYPE_CHECKING:
    from llmgen.cli.pipeline import Read

NAME = "<what-if>"


def changed(found: Read, changes: Iterable[str]) -> Read:
    """The same llm.toml with these keys set; a wrong key or value is an error as in the file."""
    from llmgen.config.load import load
    from llmgen.config.source import parse

    sources = (*found.sources, *(parse(NAME, overlay(change)) for change in changes))
    return replace(found, sources=sources, config=load(sources))


def overlay(change: str) -> str:
    """``models.a.ctx_size=64K`` as TOML; a value that TOML does not know is text."""
    key, equals, value = change.partition("=")
    if not equals or not key.strip():
        raise click.UsageError(f"`{change}` is not KEY=VALUE")
    for text in (f"{key} = {value}\n", f"{key} = {_quoted(value)}\n"):
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
        return text
    raise click.UsageError(f"`{key}` is not a key of llm.toml")


def _quoted(value: str) -> str:
    escaped = value.strip().replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
