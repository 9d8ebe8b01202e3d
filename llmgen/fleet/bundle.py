"""A host's own llm.toml and llm.lock: all that llmgen needs on that machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from msgspec.structs import replace

from llmgen.artifacts import Artifact
from llmgen.facts.lock_model import Lock
from llmgen.facts.lock_render import render_lock
from llmgen.fleet.fleet import Member
from llmgen.fleet.text import Texts
from llmgen.render.header import OWNER, comment
from llmgen.resolve.references import references

NAME = "host"
CONFIG, LOCK = PurePosixPath("llm.toml"), PurePosixPath("llm.lock")


def bundle(member: Member, lock: Lock, texts: Texts | None = None) -> Iterator[Artifact]:
    """Both files, with nothing in them of models that are elsewhere but their names.

    Hosts that are given the same ``texts`` share what is equal, which is written once.
    """
    yield Artifact(CONFIG, config_text(member, texts or Texts()).encode(), NAME)
    yield Artifact(LOCK, render_lock(lock_of(member, lock)).encode(), NAME)


def config_text(member: Member, texts: Texts) -> str:
    """The host's llm.toml."""
    return f"{comment(OWNER)}\n{texts.text(member.document)}"


def lock_of(member: Member, lock: Lock) -> Lock:
    """The facts of the host's own models."""
    wanted = references(member.config)
    return replace(
        lock,
        entries={ref: entry for ref, entry in lock.entries.items() if ref in wanted},
        runs={name: run for name, run in lock.runs.items() if name in member.config.models},
    )
