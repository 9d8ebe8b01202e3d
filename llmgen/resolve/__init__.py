"""Config and facts to Library: every default filled, every reference checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final, TypeAlias

from llmgen.building import recipe
from llmgen.config.config import Config
from llmgen.config.editions import EDITIONS
from llmgen.config.tables.models import ModelTable
from llmgen.errors import ConfigError, Diagnostic, InputError, Severity
from llmgen.facts.gguf_facts import ModelRef
from llmgen.facts.lock_model import Measurements, Run
from llmgen.layout import layout
from llmgen.library import Library
from llmgen.machine import machine
from llmgen.resolve.checks import checks
from llmgen.resolve.engine_models import claimed
from llmgen.resolve.join import CheckpointsByReference, Facts, Join
from llmgen.resolve.naming import named, shared_file_names, with_file_names
from llmgen.resolve.notes import notes
from llmgen.resolve.references import is_needed, references
from llmgen.resolve.table_rules import findings

__all__ = ["Facts", "references", "resolve"]

MeasurementsByReference: TypeAlias = Mapping[ModelRef, Measurements]
NOTHING_MEASURED: Final[MeasurementsByReference] = {}
NO_CHECKPOINTS: Final[CheckpointsByReference] = {}
NO_RUNS: Final[Mapping[str, Run]] = {}


def resolve(
    config: Config,
    facts: Facts,
    measured: MeasurementsByReference = NOTHING_MEASURED,
    runs: Mapping[str, Run] = NO_RUNS,
    checkpoints: CheckpointsByReference = NO_CHECKPOINTS,
) -> Library:
    """Join llm.toml with the lock: facts, and what was measured of some models.

    Raises ConfigError with every finding of a stage, InputError when facts are missing.
    """
    edition = EDITIONS[config.edition]
    build = config.llama_cpp.build or edition.build
    host = machine(config.hardware, config.budget, config.rpc)
    noted = _refuse(chain(findings(config, host), recipe.findings(config.llama_cpp.recipe)))
    missing = [*_missing(config, facts)]
    if missing:
        raise InputError(missing)
    prefix, config = config.naming.prefix, named(config)
    where = layout(config.paths, config.services.scope)
    join = Join(config, edition, facts, host, where, measured, runs, checkpoints)
    models = tuple(join.model(name, table) for name, table in _enabled(config))
    noted += _refuse(
        item for model in models for item in (*checks(model, build), *claimed(model, host))
    )
    noted += tuple(notes(config, models))
    noted += _refuse(shared_file_names(models, config))
    return Library(
        config=config,
        machine=host,
        layout=join.layout,
        build=build,
        swap_version=config.targets.llama_swap.version or edition.swap_version,
        models=with_file_names(models, config),
        external=config.external,
        prefix=prefix,
        runs=runs,
        notes=noted,
    )


def _enabled(config: Config) -> Iterator[tuple[str, ModelTable]]:
    return ((name, table) for name, table in config.models.items() if table.enable)


def _missing(config: Config, facts: Facts) -> Iterator[Diagnostic]:
    for ref, key in references(config).items():
        if is_needed(ref) and ref not in facts and config.models[str(key[1])].enable:
            yield Diagnostic(
                "lock.missing", f"llm.lock has no facts of `{ref}`", key, hint="run `llmgen lock`"
            )


def _refuse(found: Iterator[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Raise when there are errors, else give the warnings back."""
    all_found = tuple(found)
    errors = [item for item in all_found if item.severity is Severity.ERROR]
    if errors:
        raise ConfigError(errors)
    return all_found
