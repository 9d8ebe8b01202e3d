"""llama-server itself: a .conf for each always-on model, and models.ini for its router mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from llmgen.artifacts import Artifact, Render
from llmgen.config.editions import EDITIONS
from llmgen.config.names import file_name
from llmgen.engines.loaders import ROUTER, loader_of
from llmgen.errors import Diagnostic, PlanError
from llmgen.gateway.addresses import listens
from llmgen.layout import Layout
from llmgen.library import Keep, Library
from llmgen.plan.command import (
    NotInPreset,
    assignments,
    free_words,
    ini,
    variables,
)
from llmgen.plan.plan import Placement, Plan
from llmgen.render.quoting import Unquotable, ini_section
from llmgen.render.quoting import ini as ini_value
from llmgen.targets.names import file_names
from llmgen.targets.secrets import plain, secret

NAME = "llama-server"
SUMMARY = "llama-server: launch files of always-on models, presets of router mode"

# What the router sets for its children itself (llama.cpp, tools/server, b11434).
_ROUTER_SETS: Final = ("alias", "host", "port")


def in_use(plan: Plan) -> bool:
    """Whether llama-server is started by itself: for always-on models, or in router mode."""
    services = plan.library.config.services
    # In containers its file lies beside theirs.
    if services.runtime != "native":
        return False
    routes = loader_of(services) is ROUTER
    return any(item.keep is Keep.ALWAYS or routes for item in plan.placements)


def artifacts(plan: Plan, render: Render) -> Iterable[Artifact]:
    """One .conf for each always-on model, one models.ini for all on-demand ones."""
    file_names(item.name for item in plan.placements)
    for item in plan.placements:
        # A container is told by its words.
        native = not plan.library.contained
        if native and item.keep is Keep.ALWAYS and item.model.is_plain:
            yield _conf(item, plan.library, render)
    demand = [
        item for item in plan.placements if item.keep is Keep.ON_DEMAND and item.model.is_plain
    ]
    if demand and _presets_wanted(plan.library):
        yield _models_ini(demand, plan.library, render)


def _presets_wanted(library: Library) -> bool:
    """Whether router mode reads them, or somebody wants to look at them."""
    config = library.config
    unused = EDITIONS[config.edition].renders_unused or bool(config.targets.llama_server.enable)
    return unused or loader_of(config.services) is ROUTER


def conf_path(model: str) -> PurePosixPath:
    """Where the .conf of an always-on model lies, below the configuration folder."""
    return PurePosixPath(NAME, f"{file_name(model)}.conf")


def models_ini_path(layout: Layout) -> PurePosixPath:
    """Where router mode finds its presets."""
    return layout.config / NAME / "models.ini"


def environment(item: Placement, library: Library) -> tuple[tuple[str, str], ...]:
    """Everything that a .conf sets: the server's options, then the model's own variables."""
    named, _ = variables(assignments(item.model, item.settings, library), library.build)
    listen = (("LLAMA_ARG_HOST", listens(library)), ("LLAMA_ARG_PORT", str(item.port)))
    return (*named, *listen, *plain(item.model.environment))


def command(item: Placement, library: Library) -> tuple[str, ...]:
    """The command that runs under that environment: options without a variable, free words."""
    _, rest = variables(assignments(item.model, item.settings, library), library.build)
    program = item.model.program or str(library.layout.llama_server)
    return (program, *rest, *free_words(item.model, library))


def _conf(item: Placement, library: Library, render: Render) -> Artifact:
    path = conf_path(item.name)
    api_key = library.config.services.api_key
    return Artifact(
        path=path,
        content=render(
            "llama-server/model.conf.j2",
            name=item.name,
            command=command(item, library),
            environment=environment(item, library),
            secrets=[
                *(["LLAMA_API_KEY"] if api_key else []),
                *(name for name, _ in secret(item.model.environment)),
            ],
        ),
        target=NAME,
        install=library.layout.config / path,
    )


def _models_ini(items: Iterable[Placement], library: Library, render: Render) -> Artifact:
    enabled = loader_of(library.config.services) is ROUTER
    sections, refused = [], []
    for item in items:
        try:
            sections.append(_section(item, library))
        except (NotInPreset, Unquotable) as error:
            refused.append((item.name, str(error)))
    if enabled and refused:
        raise PlanError([*_refusals(refused)])
    return Artifact(
        path=PurePosixPath(NAME, "models.ini"),
        content=render(
            "llama-server/models.ini.j2",
            sections=sections,
            left_out=[f"[{name}] is left out: {why}" for name, why in refused],
        ),
        target=NAME,
        install=models_ini_path(library.layout) if enabled else None,
    )


def section_name(model: str) -> str:
    """The preset's name: what follows a `:` would be read as a tag, in capitals."""
    return model.replace(":", "-")


def _section(item: Placement, library: Library) -> tuple[str, list[tuple[str, str]]]:
    """A preset's name and keys; Unquotable when the INI cannot hold one of them."""
    found = assignments(item.model, item.settings, library)
    kept = [one for one in found if one.option.name not in _ROUTER_SETS]
    name = section_name(item.name)
    names = (*item.model.names, *library.spellings(item.model.names))
    others = [other for other in names if other != name]
    pairs = [
        *ini(kept, free_words(item.model, library)),
        *([("alias", ",".join(others))] if others else []),
        *([("load-on-startup", "true")] if item.model.preload else []),
        ("stop-timeout", str(library.config.services.stop_timeout)),
    ]
    return ini_section(name), [(key, ini_value(value)) for key, value in pairs]


def _refusals(refused: Iterable[tuple[str, str]]) -> Iterator[Diagnostic]:
    for name, why in refused:
        yield Diagnostic(
            "router.unquotable",
            f"router mode cannot serve `{name}`: {why}",
            ("models", name),
            hint='leave that out, or `on_demand = "llama_swap"` in [services]',
        )
