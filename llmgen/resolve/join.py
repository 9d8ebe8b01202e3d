"""The join itself: one Model of the library from one [models] table and its facts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from llmgen.budget.settings import ServerSettings
from llmgen.config.config import Config
from llmgen.config.editions import Edition
from llmgen.config.tables.models import ModelTable, ServerOptions
from llmgen.config.tables.sampling import Sampling
from llmgen.engines.base import Engine, Served
from llmgen.engines.digest import served_digest
from llmgen.engines.loaders import loader_of
from llmgen.engines.memory import Stated
from llmgen.engines.registry import ENGINES
from llmgen.facts.checkpoint_model import CheckpointFacts
from llmgen.facts.gguf_facts import NO_FACTS, GgufFacts, ModelRef
from llmgen.facts.lock_model import Measurements, Run
from llmgen.layout import Layout, expand
from llmgen.library import Keep, Model, Open
from llmgen.machine import Machine
from llmgen.resolve.engine_models import enabled, served, shown
from llmgen.resolve.references import (
    checkpoint_ref,
    file_ref,
    has_checkpoint,
    has_source,
    model_ref,
    part_ref,
)
from llmgen.resolve.replicas import unplanned
from llmgen.resolve.settings import left_open, options, over, settings

Facts = Mapping[ModelRef, GgufFacts]
CheckpointsByReference = Mapping[ModelRef, CheckpointFacts]


class Join(Struct, frozen=True):
    """Everything that a table is joined with."""

    config: Config
    edition: Edition
    facts: Facts
    machine: Machine
    layout: Layout
    measured: Mapping[ModelRef, Measurements]
    runs: Mapping[str, Run]
    checkpoints: CheckpointsByReference

    def model(self, name: str, table: ModelTable) -> Model:
        """One served model, nothing left to look up; KeyError when a fact is missing."""
        engine = ENGINES[table.engine]
        return self._llama(name, table) if engine.is_llama else self._other(name, table, engine)

    def _common(self, name: str, table: ModelTable) -> dict[str, Any]:
        """What every model has, whatever serves it."""
        return {
            "name": name,
            "title": table.title or name,
            "description": table.description,
            "notes": table.notes,
            "scores": table.scores,
            "role": table.role,
            "host": self.config.hardware.host,
            "keep": self._keep(table),
            "pin": table.pin,
            "preload": table.preload,
            "default": table.default,
            "priority": table.priority,
            "ttl_seconds": self._ttl(table),
            "unlisted": table.unlisted,
            "concurrency_limit": table.concurrency_limit or 0,
            "port": table.port or 0,
            "aliases": table.aliases,
            "variants": table.variants,
            "extra_args": table.extra_args,
            "llama_swap": table.llama_swap,
            "fallbacks": table.fallbacks,
            "context_window_fallbacks": table.context_window_fallbacks,
            "replicas": table.replicas,
            "failover": table.failover,
            "copies": unplanned(table, self.config),
            "engine": ENGINES[table.engine],
            "container": table.container,
        }

    def _other(self, name: str, table: ModelTable, engine: Engine) -> Model:
        """A model of another engine than llama-server: no facts, no options to plan with."""
        room, alone = self.machine.room(), enabled(self.config) == 1
        told = served(name, table, engine, self.layout, alone=alone)
        told = replace(
            told,
            checkpoint=self._checkpoint(table, engine),
            devices=tuple(map(self.machine.key_of, told.devices)),
            memory=self._by_key(told.memory),
        )
        told = replace(told, measured=self._peak(told))
        used, context = engine.devices(told, room), engine.context(told)
        return Model(
            **self._common(name, table),
            ref="",
            facts=NO_FACTS,
            path=PurePosixPath(told.model),
            settings=ServerSettings(
                ctx_size=context,
                parallel=engine.slots(told),
                devices=used,
                embedding=table.role in ("embedding", "rerank"),
                load_mode="none",
                cache_ram_bytes=0,
                ctx_checkpoints=0,
            ),
            open=Open(),
            options=ServerOptions.model_construct(),
            sampling=Sampling.model_construct(),
            environment={
                **dict(self.machine.environment),
                **shown(engine, table.container, used, self.machine),
                **self.config.defaults.environment,
                **table.environment,
            },
            served=told,
            program=told.program,
        )

    def _checkpoint(self, table: ModelTable, engine: Engine) -> CheckpointFacts | None:
        if not engine.reads_checkpoints or not has_checkpoint(table):
            return None
        return self.checkpoints.get(checkpoint_ref(table))

    def _peak(self, told: Served) -> Mapping[str, int]:
        """What was measured of it, unless it was started otherwise then."""
        run = self.runs.get(told.name)
        engine = ENGINES[self.config.models[told.name].engine]
        return run.peak if run is not None and run.settings == served_digest(engine, told) else {}

    def _by_key(self, memory: Stated) -> Stated:
        """What is stated for a device under its key, whichever of its names it has."""
        if memory is None or isinstance(memory, str):
            return memory
        return {self.machine.key_of(name) or name: size for name, size in memory.items()}

    def _llama(self, name: str, table: ModelTable) -> Model:
        chosen = options(self.edition, self.config.defaults, table, self.machine)
        facts = self.facts[model_ref(table)]
        mmproj = self.facts[part_ref(table, table.mmproj)] if table.mmproj else None
        draft = self._draft(table)
        return Model(
            **self._common(name, table),
            ref=model_ref(table),
            facts=facts,
            path=self._path(facts),
            settings=settings(table, chosen, facts, self.edition, self.machine),
            open=left_open(chosen, self.machine),
            options=chosen,
            sampling=over(Sampling, self.config.defaults.sampling, table.sampling),
            mmproj=mmproj,
            mmproj_path=self._path(mmproj) if mmproj else None,
            draft=draft,
            draft_path=self._path(draft) if draft else None,
            spec_draft_n_min=table.draft.spec_draft_n_min if table.draft else None,
            lora=table.lora,
            adapters=tuple(self.facts[file_ref(item.path)] for item in table.lora),
            environment={
                **dict(self.machine.environment),
                **self.config.defaults.environment,
                **table.environment,
            },
            program=self._program(table),
            measured=self.measured.get(model_ref(table), {}),
        )

    def _program(self, table: ModelTable) -> str:
        """A llama-server of the model's own; within a container the image's."""
        if table.llama_server is None:
            return ""
        home = self.layout.home
        return str(expand(table.llama_server, home, ("paths", "home")))

    def _path(self, facts: GgufFacts) -> PurePosixPath:
        return self.layout.model(facts.files[0].name)

    def _draft(self, table: ModelTable) -> GgufFacts | None:
        if table.draft is None or not has_source(table.draft):
            return None
        return self.facts[model_ref(table.draft)]

    def _keep(self, table: ModelTable) -> Keep:
        if table.keep is None and not loader_of(self.config.services).loads:
            return Keep.ALWAYS
        return Keep(table.keep or self.edition.keep[table.role])

    def _ttl(self, table: ModelTable) -> int:
        # Nothing evicts what is pinned; it idles out where its own table says so.
        usual = 0 if table.pin else self.config.defaults.ttl
        for given in (table.ttl, usual):
            if given is not None:
                return given
        return self.edition.ttl_seconds
