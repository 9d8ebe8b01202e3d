"""Every model of a Hub repository on one machine: which contexts fit, before any download."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import click
from msgspec import Struct
from msgspec.structs import replace

from llmgen.cli.outcome import Outcome
from llmgen.errors import Diagnostic, InputError, Severity
from llmgen.facts.gguf_facts import GgufFacts
from llmgen.facts.hub import Hub
from llmgen.facts.hub_names import HubFile, total_bytes, whole_models
from llmgen.machine import Machine
from llmgen.plan.fit import LEAST, longest, size
from llmgen.units import show_count, show_size

# Headers that are read at the same time: each is a few requests that mostly wait.
_AT_ONCE: Final = 4
# What an agent or a long chat wants.
_COMFORTABLE: Final = 32768


class Quant(Struct, frozen=True):
    """One model of the repository; ``contexts`` of one slot by cache type, 0 where none fits."""

    file: str
    size_bytes: int
    contexts: dict[str, int]


def quants(repo: str, machine: Machine, types: Sequence[str], build: int) -> Outcome:
    """A row for each model of the repository, the largest first."""
    unread: list[Diagnostic] = []
    found = tuple(_quants(repo, machine, types, build, unread))
    data = {"machine": machine.profile or machine.host, "repository": repo, "models": found}
    return Outcome(
        data,
        text=lambda: _print(machine, found),
        said=_best(found, types[0]),
        diagnostics=tuple(unread),
    )


def _quants(
    repo: str, machine: Machine, types: Sequence[str], build: int, unread: list[Diagnostic]
) -> Iterator[Quant]:
    """Read what may fit; ``unread`` takes what is said of files that cannot be read."""
    hub = Hub()
    repository = hub.repository(repo)
    models = whole_models(repository.files)
    if not models:
        raise InputError(
            Diagnostic("hub.no-file", f"`{repo}` has no GGUF model", hint="name another repository")
        )

    def read(files: tuple[HubFile, ...]) -> GgufFacts | None:
        if total_bytes(files) > _room(machine):
            return None
        try:
            return hub.read(repository, files)
        except InputError as error:
            unread.extend(replace(item, severity=Severity.WARNING) for item in error.diagnostics)
            return None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for files, facts in zip(models, pool.map(read, models), strict=True):
            contexts = {kind: _longest(facts, machine, kind, build) for kind in types}
            yield Quant(files[0].path, total_bytes(files), contexts)


def _room(machine: Machine) -> int:
    """All memory together: what is larger fits nowhere, and its header is not even read."""
    return size(machine) if machine.unified else size(machine) + machine.memory_bytes


def _longest(facts: GgufFacts | None, machine: Machine, kind: str, build: int) -> int:
    from llmgen.resolve.settings import trained_context

    return longest(facts, machine, kind, build, trained_context(facts) or LEAST) if facts else 0


def _best(found: Sequence[Quant], kind: str) -> str:
    for quant in found:
        if quant.contexts[kind] >= _COMFORTABLE:
            what = f"{show_count(_COMFORTABLE)} of context and {kind}"
            return f"the largest that fits with {what}: {quant.file}"
    return f"none fits with {show_count(_COMFORTABLE)} of context and {kind}"


def _print(machine: Machine, found: Sequence[Quant]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from llmgen.cli.drawing import echo

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("file")
    table.add_column("size", justify="right", no_wrap=True)
    for kind in found[0].contexts:
        table.add_column(kind, justify="right", no_wrap=True)
    for quant in found:
        sizes = (show_count(item) if item else "-" for item in quant.contexts.values())
        table.add_row(quant.file, show_size(quant.size_bytes), *sizes)
    click.echo(f"{machine.profile or machine.host}: the longest context of one slot that fits")
    echo(table)
