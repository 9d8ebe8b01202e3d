"""[naming] applied once: every name as clients send it, before all else is made of llm.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final, TypeVar

from msgspec.structs import replace

from llmgen.config.alias_packs import packed
from llmgen.config.config import Config
from llmgen.config.names import sane
from llmgen.config.tables.gateway import External
from llmgen.config.tables.models import ModelTable
from llmgen.config.tables.naming import Naming
from llmgen.config.tables.services import SETS, PlanTable
from llmgen.errors import Diagnostic, Severity
from llmgen.library import Model
from llmgen.resolve.names import claims, own_names

Table = TypeVar("Table", ModelTable, External)

# The stores whose files have names of their own; Ollama's are digests.
_NAMED_FILES: Final = ("file:", "hf:", "lm_studio:")
_SHARD: Final = re.compile(r"-\d{5}-of-\d{5}(?=\.gguf$)")


def named(config: Config) -> Config:
    """The config under the names that clients send; what it gives back is named already."""
    naming = config.naming
    if not (naming.prefix or naming.alias_packs):
        return config
    packs = _packs(config)
    own = own_names(config)
    done = Naming.model_construct(file_aliases=naming.file_aliases)
    return config.model_copy(
        update={
            "naming": done,
            "models": {own[n]: _model(n, t, own, packs) for n, t in config.models.items()},
            "external": {own[n]: _external(n, t, own, packs) for n, t in config.external.items()},
            "plan": _plan(config.plan, own),
        }
    )


def with_file_names(models: Sequence[Model], config: Config) -> tuple[Model, ...]:
    """The models with the aliases that their files' names are, where nobody else has that name."""
    taken = {name for name, _ in claims(config)}
    wanted = [(_file_names(model, config.naming.file_aliases), model) for model in models]
    names = [name for found, _ in wanted for name in found]
    return tuple(
        replace(
            model,
            aliases=(*model.aliases, *(n for n in found if n not in taken and names.count(n) == 1)),
        )
        for found, model in wanted
    )


def shared_file_names(models: Sequence[Model], config: Config) -> Iterator[Diagnostic]:
    """A warning for each file name that two models would answer to: neither does."""
    owners: dict[str, list[str]] = {}
    for model in models:
        for name in _file_names(model, config.naming.file_aliases):
            owners.setdefault(name, []).append(model.name)
    for name, found in owners.items():
        if len(found) > 1:
            yield Diagnostic(
                "names.shared-file",
                f"`{name}` is the file of {' and '.join(f'`{one}`' for one in found)}: "
                "none of them answers to it",
                ("naming", "file_aliases"),
                hint="write it into `aliases` of the one that shall",
                severity=Severity.WARNING,
            )


def _file_names(model: Model, kinds: Iterable[str]) -> tuple[str, ...]:
    if not model.ref.startswith(_NAMED_FILES):
        return ()
    file = sane(_SHARD.sub("", PurePosixPath(model.facts.files[0].name).name))
    found = {"file": file, "stem": file.removesuffix(".gguf")}
    return tuple(found[kind] for kind in kinds if found[kind] not in ("", model.name))


def _model(
    name: str,
    table: ModelTable,
    own: Mapping[str, str],
    packs: Mapping[str, tuple[str, ...]],
) -> ModelTable:
    return _with(table, own, packs.get(name, ())).model_copy(
        update={
            "variants": {own[key]: item for key, item in table.variants.items()},
            "title": table.title or name,
        }
    )


def _external(
    name: str,
    table: External,
    own: Mapping[str, str],
    packs: Mapping[str, tuple[str, ...]],
) -> External:
    # Its server knows nothing of the prefix, but for the one that knows all of its names.
    bare = name if own[name] != name and not table.knows_aliases else None
    told = table.upstream_model or bare
    return _with(table, own, packs.get(name, ())).model_copy(update={"upstream_model": told})


def _with(table: Table, own: Mapping[str, str], more: tuple[str, ...]) -> Table:
    """With more aliases, and with fallbacks under the names that clients send."""
    return table.model_copy(
        update={
            "aliases": (*table.aliases, *more),
            **{
                field: tuple(own.get(other, other) for other in getattr(table, field))
                for field in ("fallbacks", "context_window_fallbacks")
            },
        }
    )


def _plan(table: PlanTable, own: Mapping[str, str]) -> PlanTable:
    return table.model_copy(
        update={
            field: tuple(tuple(own.get(n, n) for n in group) for group in getattr(table, field))
            for field in SETS
        }
    )


def _packs(config: Config) -> dict[str, tuple[str, ...]]:
    """Model to the names of the packs that it answers to: the default one of the role."""
    taken = {name for name, _ in claims(config)}
    found: dict[str, tuple[str, ...]] = {}
    for roles, name in packed(config.naming.alias_packs):
        owner = _default(config, roles)
        if owner and name not in taken:
            found[owner] = (*found.get(owner, ()), name)
    return found


def _default(config: Config, roles: Iterable[str]) -> str:
    """The model that requests of such a role without a name go to."""
    served = {name: table for name, table in config.models.items() if table.enable}
    for role in roles:
        same = [name for name, table in served.items() if table.role == role]
        same += [name for name, table in config.external.items() if table.role == role]
        if same:
            marked = [name for name, table in served.items() if table.default]
            marked += [name for name, table in config.external.items() if table.default]
            return next((name for name in same if name in marked), same[0])
    return ""
