"""From the command line's options to a plan: the reads at the edge, then pure steps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from llmgen.cli.boundary import Session
from llmgen.cli.waiting import waiting
from llmgen.errors import Diagnostic, InputError, LlmgenError

if TYPE_CHECKING:
    from llmgen.artifacts import Render, Tree
    from llmgen.config.config import Config
    from llmgen.config.source import Source
    from llmgen.facts.lock import Lock
    from llmgen.fleet.fleet import Member
    from llmgen.library import Library
    from llmgen.plan.plan import Plan

CONFIG, LOCK, OUTPUT = "llm.toml", "llm.lock", "generated"


class Read(Struct, frozen=True):
    """llm.toml as read: its sources, the typed config, and the folder that it stands in.

    Of one host of several it is that host's own view, and ``member`` says which.
    """

    sources: tuple[Source, ...]
    config: Config
    folder: Path
    member: Member | None = None

    def located(self, error: LlmgenError) -> LlmgenError:
        """The same error with places in llm.toml, and with the host of several."""
        from llmgen.config.load import located, merged

        if self.member is not None:
            from llmgen.fleet.origin import told_of

            whole, name = merged(self.sources), self.member.name
            error = type(error)([told_of(item, name, whole) for item in error.diagnostics])
        return located(error, self.sources)

    def placed(self, found: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
        """The same diagnostics with places in llm.toml."""
        return self.located(LlmgenError(found)).diagnostics if found else ()


def read(session: Session) -> Read:
    """What the command is about: llm.toml, or of several hosts the one that ``--host`` names."""
    from llmgen.cli.hosts import only_host
    from llmgen.cli.of_machines import refuse_cluster

    found = read_whole(session)
    refuse_cluster(found, session)
    return only_host(found, session)


def peek(session: Session) -> Read:
    """What ``read_whole`` gives the next time that it is called: what is read, is read once."""
    session.peeked = found = read_whole(session)
    return found


def read_whole(session: Session) -> Read:
    """Read and type every file named by ``-c`` or $LLMGEN_CONFIG, else the nearest llm.toml.

    For commands that are about the models wherever they are, or about all hosts.
    """
    from llmgen.config.load import load
    from llmgen.config.source import read as read_source

    if session.peeked is not None:
        found, session.peeked = session.peeked, None
        return found
    names = session.config or (os.environ.get("LLMGEN_CONFIG") or nearest(),)
    sources = tuple(read_source(name) for name in names)
    folder = Path() if names[0] == "-" else Path(names[0]).parent
    return Read(sources, load(sources), folder)


def nearest() -> str:
    """llm.toml of this folder, else of the nearest folder above that has one of this user's own.

    In a folder above, others may write (``/tmp``): their llm.toml is not taken for this user's.
    """
    here = Path.cwd()
    if os.path.lexists(CONFIG):
        return CONFIG
    for parent in here.parents:
        found = parent / CONFIG
        if found.is_file() and found.stat().st_uid == os.getuid():
            return os.path.relpath(found, here)
    return CONFIG


def read_lock(found: Read) -> Lock:
    """llm.lock beside the first llm.toml; InputError when it is not there."""
    from llmgen.facts.lock import read_lock as read_file
    from llmgen.resolve.references import is_needed, references

    path = found.folder / LOCK
    if not path.exists() and any(map(is_needed, references(found.config))):
        raise InputError(
            Diagnostic(
                "lock.absent",
                f"there is no `{path}`: the facts of the models are not known",
                hint="run `llmgen lock`",
            )
        )
    return read_file(path)


def library(found: Read) -> Library:
    """Join llm.toml with the lock."""
    from llmgen.resolve import resolve

    try:
        lock = read_lock(found)
        measured = {ref: entry.measured for ref, entry in lock.entries.items() if entry.measured}
        return resolve(found.config, lock.facts, measured, lock.runs, lock.checkpoints)
    except LlmgenError as error:
        raise found.located(error) from None


def plan(found: Read) -> Plan:
    """Place the library; PlanError when it does not fit."""
    from llmgen.plan.place import place

    try:
        with waiting(f"planning {len(found.config.models)} models"):
            placed: Plan = place(library(found))
    except LlmgenError as error:
        raise found.located(error) from None
    return placed


def known_plan(found: Read) -> Plan:
    """The plan of what the lock knows, for commands that only look: the rest is in its notes.

    As strict as ``plan`` where the lock knows nothing at all.
    """
    from msgspec.structs import replace

    from llmgen.resolve.unknown import known_part

    try:
        config, unknown = known_part(found.config, read_lock(found).facts)
    except LlmgenError as error:
        raise found.located(error) from None
    if not unknown or not any(table.enable for table in config.models.values()):
        return plan(found)
    placed = plan(replace(found, config=config))
    return replace(placed, notes=(*unknown, *placed.notes))


def unknown_models(found: Read, placed: Plan) -> tuple[Diagnostic, ...]:
    """What a plan of ``known_plan`` does not know, with places in llm.toml."""
    return found.placed([item for item in placed.notes if item.code == "lock.unknown-model"])


def renderer(session: Session) -> Render:
    """What fills the templates that the command line asks for."""
    from llmgen.render.environment import make_render

    return make_render([Path(session.templates)] if session.templates else [])


def tree(found: Read, placed: Plan, session: Session, targets: Sequence[str] = ()) -> Tree:
    """Render the targets that are wanted, or the named ones."""
    return filled(found, placed, renderer(session), targets)


def filled(found: Read, placed: Plan, render: Render, targets: Sequence[str]) -> Tree:
    """The same by a renderer that several hosts share: it reads each template once."""
    from llmgen.artifacts import Tree
    from llmgen.targets.selection import selected

    try:
        return Tree(
            artifact
            for target in selected(placed, targets)
            for artifact in target.artifacts(placed, render)
        )
    except LlmgenError as error:
        raise found.located(error) from None
