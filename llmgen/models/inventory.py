"""What llm.toml names against what is on disk: pure comparisons."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from posixpath import normpath

from msgspec import Struct, field

from llmgen.config.config import Config
from llmgen.config.tables.models import ModelTable
from llmgen.engines.command import readable
from llmgen.engines.registry import ENGINES, USUAL
from llmgen.errors import KeyPath
from llmgen.facts.card import Card, card
from llmgen.facts.gguf_facts import GgufFacts, ModelRef
from llmgen.layout import Layout
from llmgen.resolve.names import claims
from llmgen.resolve.references import model_ref, references

_SHARD = re.compile(r"-\d{5}-of-\d{5}$")
_QUANT = re.compile(
    r"[-.](IQ\d\w*|Q\d\w*|TQ\d\w*|MXFP4\w*|NVFP4|BF16|F16|F32)(?=$|[-.])", re.IGNORECASE
)


class ListedModel(Struct, frozen=True):
    """One model of llm.toml; sizes 0 and ``quant`` empty where the lock does not know it.

    ``ctx_size`` is as llm.toml has it: tokens, "max", or None where it says nothing.
    """

    name: str
    role: str
    enabled: bool
    ref: ModelRef
    quant: str
    size_bytes: int
    trained_context: int
    names: tuple[str, ...]
    ctx_size: int | str | None = None
    card: Card = Card()
    title: str = ""
    description: str = ""
    notes: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)


def listed(config: Config, facts: Mapping[ModelRef, GgufFacts]) -> Iterator[ListedModel]:
    """Every model of llm.toml in its order, joined with the lock where that knows it."""
    names: dict[str, list[str]] = {}
    for name, key in claims(config):
        names.setdefault(str(key[1]), []).append(name)
    for name, table in config.models.items():
        ref = _source(table)
        found = facts.get(ref)
        context = found.hyperparameters.get("context_length", 0) if found else 0
        yield ListedModel(
            name=name,
            role=table.role,
            enabled=table.enable,
            ref=ref,
            quant=quant_of(found.files[0].name if found else ref),
            size_bytes=found.size_bytes if found else 0,
            trained_context=int(context) if isinstance(context, int | float) else 0,
            names=tuple(names[name][1:]),
            ctx_size=table.ctx_size,
            card=card(found) if found else Card(),
            title=table.title,
            description=table.description,
            notes=table.notes,
            scores=table.scores,
        )


def _source(table: ModelTable) -> ModelRef:
    """What it is made of: a reference of the lock, or what another engine reads."""
    engine = ENGINES.get(table.engine, USUAL)
    if engine.is_llama:
        return model_ref(table)
    return f"{engine.name}:{table.model or table.hf_repo or ''}".rstrip(":")


def quant_of(file: str) -> str:
    """The quantisation that a file's name says; empty when it says none."""
    found = _QUANT.search(_SHARD.sub("", PurePosixPath(file).name.removesuffix(".gguf")))
    return found[1].upper() if found else ""


def name_for(file: str, taken: Iterable[str] = ()) -> str:
    """A model name from a file's or repository's name, unlike every name taken."""
    stem = _SHARD.sub("", PurePosixPath(file).name.removesuffix(".gguf"))
    stem = re.sub(r"[-.]GGUF$", "", _QUANT.sub("", stem), flags=re.IGNORECASE)
    base = re.sub(r"[^a-z0-9.]+", "-", stem.lower()).strip("-.") or "model"
    used = set(taken)
    candidates = (base, *(f"{base}-{number}" for number in range(2, len(used) + 3)))
    return next(name for name in candidates if name not in used)


def users_of(config: Config, name: str) -> list[KeyPath]:
    """The keys outside the model's own table that use one of its names."""
    own = {name, *(claim for claim, key in claims(config) if key[1] == name)}
    found: list[KeyPath] = []
    for other, table in config.models.items():
        for key in ("fallbacks", "context_window_fallbacks"):
            for index, wanted in enumerate(getattr(table, key)):
                if other != name and wanted in own:
                    found.append(("models", other, key, index))
    for front, external in config.external.items():
        for key in ("fallbacks", "context_window_fallbacks"):
            for index, wanted in enumerate(getattr(external, key)):
                if wanted in own:
                    found.append(("external", front, key, index))
    for wish in ("together", "wish_together", "never_together"):
        for row, group in enumerate(getattr(config.plan, wish)):
            found += [("plan", wish, row, at) for at, wanted in enumerate(group) if wanted in own]
    return found


def unneeded(
    config: Config, facts: Mapping[ModelRef, GgufFacts], on_disk: Iterable[str], layout: Layout
) -> list[str]:
    """Files below the models folder that neither llm.toml nor the lock of its models names."""
    wanted = set()
    for ref in references(config):
        wanted.add(ref.partition(":")[2])
        wanted |= {file.name for file in facts[ref].files} if ref in facts else set()
    for table in config.models.values():
        wanted |= {lora.path for lora in table.lora}
    for table in config.models.values():
        wanted |= {*other_files(table)}
    stems = {_stem(layout, name) for name in wanted}
    return sorted(name for name in on_disk if _stem(layout, name) not in stems)


def other_files(table: ModelTable) -> Iterator[str]:
    """Files that other engines than llama-server open."""
    engine = ENGINES.get(table.engine, USUAL)
    if engine.is_llama:
        return
    found = (getattr(table, key) for key in ("model", *engine.files))
    yield from (name for name in found if name)
    # A command may name any file of the folder, below it or whole.
    words = (part for word in readable(table.cmd) for part in re.split("[=,]", word))
    yield from (part for part in words if part.endswith(".gguf"))


def _stem(layout: Layout, name: str) -> str:
    """The whole path without shard number and suffix, however llm.toml spells it."""
    return _SHARD.sub("", normpath(layout.model(name)).removesuffix(".gguf"))
