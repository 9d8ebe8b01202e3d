"""``llmgen init --interactive``: three questions on a terminal; nowhere else does llmgen ask."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from llmgen.cli.printable import printable
from llmgen.units import show_size

if TYPE_CHECKING:
    from llmgen.detect.interview import Answer, AnswerTables
    from llmgen.facts.stores import FoundFile

# What the references of a scan are called, in the words of [sync].
_STORES = {"file": "models", "ollama": "ollama", "lmstudio": "lm_studio"}
# A longer list is no list to choose from; `all` takes them all in.
_LISTED = 40


def refuse_no_terminal(*, json: bool) -> None:
    """UsageError where nobody could answer."""
    if json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(
            "`--interactive` asks a person on a terminal; `llmgen init` alone asks nothing"
        )


def interview() -> tuple[AnswerTables, str]:
    """Ask, and give back the tables of the answers and what is left to do."""
    from llmgen.detect.interview import PURPOSES, REACHES, following, models

    home = Path.home()
    files = _files(home)
    chosen = _which(files, home)
    purpose = _one("2/3  What are they for?", PURPOSES)
    reach = _one("3/3  Who may reach them?", REACHES)
    tables: dict[tuple[str, ...], Mapping[str, Any]] = dict(reach.tables)
    if chosen is None:
        stores = dict.fromkeys(_STORES[_kind(item)] for item in files)
        tables |= following(stores or _STORES.values(), purpose.keys)
        step = "next: `llmgen sync`, `llmgen show`, `llmgen up --foreground`"
    else:
        for table in models(chosen, purpose.keys):
            tables |= table
        step = "next: `llmgen lock`, `llmgen show`, `llmgen up --foreground`"
    return tables, "\n".join(filter(None, (reach.next, step)))


def _files(home: Path) -> list[FoundFile]:
    """Whole models of the usual stores, projectors left out."""
    from llmgen.facts.stores import Stores, find_stores, scan

    found = find_stores(home)
    stores = Stores(ollama=found.ollama, lm_studio=found.lm_studio)
    listed = scan(stores, home / "models")
    return [item for item in listed if not item.path.name.startswith("mmproj")]


def _kind(item: FoundFile) -> str:
    return item.ref.partition(":")[0]


def _which(files: Sequence[FoundFile], home: Path) -> list[dict[str, Any]] | None:
    """The models that are named, or None where all that come are wanted."""
    if files:
        _say("Models on this machine:")
        for number, item in enumerate(files[:_LISTED], 1):
            kind, _, name = item.ref.partition(":")
            _say(f"{number:4}  {show_size(item.size_bytes):>9}  {_STORES[kind]:9}  {name}")
        if len(files) > _LISTED:
            _say(f"      and {len(files) - _LISTED} more, which only `all` takes in")
        forms = "`all` that are and will be here, numbers as `1 3-5`, or ORG/REPO:QUANT of the Hub"
    else:
        _say("No model files are on this machine yet.")
        forms = "`all` that will be here, or ORG/REPO:QUANT of the Hub"
    _say(f"1/3  Which are to be served? {forms}")
    while True:
        text = _ask("all")
        if text == "all":
            return None
        try:
            return _named(text, files, home)
        except (ValueError, click.UsageError) as error:
            _say(error.message if isinstance(error, click.UsageError) else str(error))


def _named(text: str, files: Sequence[FoundFile], home: Path) -> list[dict[str, Any]]:
    """The tables of what was typed; ValueError or UsageError say what is wrong with it."""
    from llmgen.cli.references import source_keys
    from llmgen.detect.interview import numbers
    from llmgen.models.inventory import name_for

    if "/" in text:
        refs = text.split()
    else:
        refs = [files[number - 1].ref for number in numbers(text, min(len(files), _LISTED))]
    found: list[dict[str, Any]] = []
    for ref in refs:
        source, title = source_keys(ref)
        name = name_for(title, [table["name"] for table in found])
        found.append({"name": name, **source, **_role(ref, source, home)})
    if not found:
        raise ValueError("`all`, or a number at least")
    return found


def _role(ref: str, source: Mapping[str, str], home: Path) -> dict[str, str]:
    """What a file is for, where that is not chat; `llmgen lock` says what is wrong with it."""
    from llmgen.errors import InputError
    from llmgen.facts.sources import Sources, read_gguf
    from llmgen.facts.stores import find_stores
    from llmgen.resolve.role import made_for

    if "hf_repo" in source:
        return {}
    try:
        role = made_for(read_gguf(ref, Sources(home / "models", home, find_stores(home))))
    except InputError:
        return {}
    return {} if role == "chat" else {"role": role}


def _one(question: str, answers: Sequence[Answer]) -> Answer:
    from llmgen.detect.interview import numbers

    _say(question)
    for number, answer in enumerate(answers, 1):
        _say(f"{number:4}  {answer.words}")
    while True:
        try:
            chosen = numbers(_ask("1"), len(answers))
        except ValueError as error:
            _say(str(error))
            continue
        if len(chosen) == 1:
            return answers[chosen[0] - 1]
        _say("one of them")


def _ask(usual: str) -> str:
    answer: str = click.prompt("    ", default=usual, err=True, prompt_suffix="> ")
    return answer.strip() or usual


def _say(text: str) -> None:
    click.echo(printable(text), err=True)
