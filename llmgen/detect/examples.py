"""Whole stacks to begin with, each an llm.toml of its own: what they are, and one for a user."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from msgspec import Struct

from llmgen.config.edit import key_text, value_text
from llmgen.config.source import parse
from llmgen.detect.document import SCHEMA
from llmgen.detect.machine import FoundMachine

_SENTENCE: Final = re.compile(r"(?<=\.)\s")


class Example(Struct, frozen=True):
    """One of them: its text, which begins with a comment on what it is."""

    name: str
    text: str

    @property
    def summary(self) -> str:
        """What it is, in one sentence."""
        return _SENTENCE.split(_comment(self.text))[0].rstrip(".")

    @property
    def profile(self) -> str:
        """The machine that it is for, or the machines of its hosts."""
        document = parse(self.name, self.text).document
        machines = document.get("hosts", {"": document}).values()
        return ", ".join(item["hardware"]["profile"] for item in machines)


@cache
def examples() -> Mapping[str, Example]:
    """Every example by name, in the order of the names."""
    folder = files("llmgen.data").joinpath("examples")
    texts = {
        item.name.removesuffix(".toml"): item.read_text("utf-8")
        for item in folder.iterdir()
        if item.name.endswith(".toml")
    }
    return {name: Example(name, texts[name]) for name in sorted(texts)}


def example_for(found: Example, machine: FoundMachine) -> str:
    """The llm.toml with this user's home and this machine's programs; the rest is the example's."""
    source = parse(found.name, found.text)
    home = source.spans["paths", "home"].value
    line = source.text.find("\n", home.end) + 1
    there = source.document["paths"]
    programs = {key: path for key, path in machine.programs if key not in there}
    more = "".join(f"{key_text(key)} = {value_text(path)}\n" for key, path in programs.items())
    text = source.text
    parts = (text[: home.start], value_text(machine.home), text[home.end : line], more, text[line:])
    text = "".join(_with_programs("".join(parts), machine))
    return f"#:schema {SCHEMA}\n{text}"


def _with_programs(text: str, machine: FoundMachine) -> Iterator[str]:
    """A program that the example names is where this machine has it."""
    places = {f"{key_text(key)} = ": value_text(path) for key, path in machine.programs}
    for line in text.splitlines(keepends=True):
        found = next((start for start in places if line.startswith(start)), None)
        yield f"{found}{places[found]}\n" if found else line


def _comment(text: str) -> str:
    lines = text.splitlines()
    end = next(at for at, line in enumerate(lines) if not line.startswith("#"))
    return " ".join(line.lstrip("# ") for line in lines[:end])
