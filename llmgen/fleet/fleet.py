"""A fleet: every host with its own plan, and who serves what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from llmgen.config.config import Config
from llmgen.errors import Diagnostic
from llmgen.plan.plan import Plan


class Member(Struct, frozen=True):
    """One host: ``document`` is its own one-host llm.toml, ``plan`` what comes of it."""

    name: str
    document: Mapping[str, Any]
    config: Config
    plan: Plan


class Fleet(Struct, frozen=True):
    """All hosts in the file's order.

    ``seats`` are the hosts of each model, the serving one first; ``reasons`` say why, where
    llm.toml left it open.
    """

    members: Mapping[str, Member]
    seats: Mapping[str, tuple[str, ...]]
    reasons: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Diagnostic, ...] = ()
