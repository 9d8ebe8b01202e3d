"""Models that the command line names without llm.toml: files, the Hub's, other programs'."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from llmgen.facts.gguf_facts import GgufFacts

FORMS: Final = "file.gguf, ORG/REPO[:QUANT] or ollama:NAME"
_KEYS: Final = {"ollama": "ollama", "lmstudio": "lm_studio", "file": "model"}


def source_keys(reference: str) -> tuple[dict[str, str], str]:
    """The keys that say where a model comes from, and the text that its name is made of."""
    from llmgen.facts.hub_names import repository_name

    kind, _, rest = reference.partition(":")
    if kind in _KEYS:
        return {_KEYS[kind]: rest}, rest
    if reference.endswith(".gguf") and ":" not in reference:
        return {"model": reference}, reference
    repo, _, quant = reference.removeprefix("hf:").partition(":")
    if repository_name(repo):
        which = "hf_file" if quant.endswith(".gguf") else "quant"
        return {"hf_repo": repo, **({which: quant} if quant else {})}, repo
    raise click.UsageError(f"`{reference}` is no {FORMS}")


def is_elsewhere(reference: str) -> bool:
    """Whether this names a model of the Hub or of another program; a file that is here wins."""
    if Path(reference).exists():
        return False
    try:
        keys, _ = source_keys(reference)
    except click.UsageError:
        return False
    # ORG/REPO alone could be a file's path as well.
    return "model" not in keys and keys.keys() != {"hf_repo"}


def read_facts(reference: str) -> GgufFacts:
    """The facts of a file, or of what stands elsewhere: of the Hub's only the first bytes come."""
    from llmgen.config.tables.models import ModelSource
    from llmgen.facts.local import read_model
    from llmgen.facts.sources import Sources, read_gguf
    from llmgen.facts.stores import find_stores
    from llmgen.resolve.references import model_ref

    if not is_elsewhere(reference):
        return read_model(Path(reference), reference)
    keys, _ = source_keys(reference)
    home = Path.home()
    where = Sources(Path(), home, find_stores(home))
    return read_gguf(model_ref(ModelSource.model_validate(keys)), where)
