"""The part of llm.toml that can be planned while facts of some models are missing."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.config.config import Config
from llmgen.errors import Diagnostic, Severity
from llmgen.resolve.join import Facts
from llmgen.resolve.references import is_needed, references_of

_GROUPS = ("together", "wish_together", "never_together")


def known_part(config: Config, facts: Facts) -> tuple[Config, tuple[Diagnostic, ...]]:
    """llm.toml without the models that the lock does not know, and a warning for each of these."""
    unknown = dict(_unknown(config, facts))
    if not unknown:
        return config, ()
    models = {
        name: table.model_copy(update={"enable": False}) if name in unknown else table
        for name, table in config.models.items()
    }
    groups = {
        key: tuple(group for group in getattr(config.plan, key) if unknown.keys().isdisjoint(group))
        for key in _GROUPS
    }
    plan = config.plan.model_copy(update=groups)
    return config.model_copy(update={"models": models, "plan": plan}), tuple(unknown.values())


def _unknown(config: Config, facts: Facts) -> Iterator[tuple[str, Diagnostic]]:
    for name, table in config.models.items():
        named = filter(is_needed, references_of(config, {name})) if table.enable else ()
        missing = sorted({*named} - facts.keys())
        if missing:
            yield (
                name,
                Diagnostic(
                    "lock.unknown-model",
                    f"`{name}` is unknown to this plan: llm.lock has no facts of `{missing[0]}`",
                    ("models", name),
                    hint="run `llmgen lock`; until then nothing is written or installed",
                    severity=Severity.WARNING,
                ),
            )
