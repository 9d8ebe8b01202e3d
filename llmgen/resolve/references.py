"""Names of model files in the lock: what a [models] table refers to, as one string."""

from __future__ import annotations

from collections.abc import Container, Iterator

from llmgen.config.config import Config
from llmgen.config.tables.models import ModelSource, ModelTable
from llmgen.engines.registry import ENGINES, USUAL
from llmgen.errors import KeyPath
from llmgen.facts.gguf_facts import ModelRef

SOURCES = ("model", "hf_repo", "ollama", "lm_studio")


def model_ref(source: ModelSource) -> ModelRef:
    """``file:PATH``, ``hf:REPO[:[WHAT][@REVISION]]``, ``ollama:NAME`` or ``lmstudio:PATH``."""
    if source.hf_repo is not None:
        return _hub(source, source.hf_file or source.quant or "")
    if source.ollama is not None:
        return f"ollama:{source.ollama}"
    if source.lm_studio is not None:
        return f"lmstudio:{source.lm_studio}"
    return file_ref(source.model or "")


def part_ref(table: ModelTable, name: str) -> ModelRef:
    """A projector: in the model's repository when it has one, else a file of its own."""
    if table.hf_repo is not None and not name.startswith(("/", "~")):
        return _hub(table, name)
    return file_ref(name)


def file_ref(path: str) -> ModelRef:
    """A file below [paths] models, or anywhere by an absolute path."""
    return f"file:{path}"


def checkpoint_ref(source: ModelSource) -> ModelRef:
    """``folder:PATH``, or ``repo:REPO[:@REVISION]``: safetensors of an engine that reads them."""
    if source.hf_repo is not None:
        at = f":@{source.revision}" if source.revision else ""
        return f"repo:{source.hf_repo}{at}"
    return f"folder:{source.model}"


def has_checkpoint(source: ModelSource) -> bool:
    """Whether the table names a folder or a repository; a single file is of another kind."""
    named = source.hf_repo or source.model
    return bool(named) and not str(named).endswith((".gguf", ".safetensors"))


def is_needed(ref: ModelRef) -> bool:
    """Whether nothing can be planned without it: a checkpoint only tells what fits."""
    return not ref.startswith(("folder:", "repo:"))


def has_source(source: ModelSource) -> bool:
    """Whether the table names a file of its own (an MTP head does not)."""
    return any(getattr(source, key) is not None for key in SOURCES)


def references(config: Config) -> dict[ModelRef, KeyPath]:
    """Every file that the lock must know, with the key that names it, in llm.toml's order.

    Of several keys it is the first of an enabled model, else the first.
    """
    found: dict[ModelRef, KeyPath] = {}
    for ref, key in _references(config):
        if ref not in found or (_enabled(config, key) and not _enabled(config, found[ref])):
            found[ref] = key
    return found


def references_of(config: Config, names: Container[str]) -> set[ModelRef]:
    """Files of these models, also where another model names the same file before."""
    return {ref for ref, key in _references(config) if key[1] in names}


def _enabled(config: Config, key: KeyPath) -> bool:
    return config.models[str(key[1])].enable


def _references(config: Config) -> Iterator[tuple[ModelRef, KeyPath]]:
    for name, table in config.models.items():
        engine = ENGINES.get(table.engine, USUAL)
        if engine.reads_checkpoints and has_checkpoint(table):
            yield checkpoint_ref(table), ("models", name, _key(table))
        if not engine.is_llama:
            continue
        if has_source(table):
            yield model_ref(table), ("models", name, _key(table))
        if table.mmproj is not None:
            yield part_ref(table, table.mmproj), ("models", name, "mmproj")
        for index, adapter in enumerate(table.lora):
            yield file_ref(adapter.path), ("models", name, "lora", index, "path")
        if table.draft is not None and has_source(table.draft):
            yield model_ref(table.draft), ("models", name, "draft", _key(table.draft))


def _key(source: ModelSource) -> str:
    return next(key for key in SOURCES if getattr(source, key) is not None)


def _hub(source: ModelSource, what: str) -> ModelRef:
    which = f"{what}@{source.revision}" if source.revision else what
    return f"hf:{source.hf_repo}:{which}" if which else f"hf:{source.hf_repo}"
