"""From a reference to facts: the one place that knows every kind of source."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from llmgen.facts.checkpoint_sources import read_folder, read_repository
from llmgen.facts.gguf_facts import GgufFacts, ModelRef
from llmgen.facts.hub import Hub
from llmgen.facts.hub_names import hub_ref
from llmgen.facts.local import read_model
from llmgen.facts.lock_model import Entry
from llmgen.facts.refusals import refused
from llmgen.facts.stores import Stores, ollama_blob, spelled


class Sources(Struct, frozen=True):
    """Where references are looked up: the models folder, the home, the stores, the Hub."""

    models: Path
    home: Path
    stores: Stores = field(default_factory=Stores)
    hub: Hub = field(default_factory=Hub)


def resolve_reference(ref: ModelRef, sources: Sources) -> Entry:
    """Read the facts that a reference stands for; the Hub's commit with them."""
    kind, _, name = ref.partition(":")
    match kind:
        case "file":
            return Entry(read_model(local_path(name, sources), name))
        case "hf":
            wanted = hub_ref(ref)
            repository = sources.hub.repository(wanted.repo, wanted.revision)
            return Entry(sources.hub.facts(repository, wanted), repository.commit)
        case "folder":
            return Entry(read_folder(local_path(name, sources), name))
        case "repo":
            wanted = hub_ref(ref)
            repository = sources.hub.repository(wanted.repo, wanted.revision)
            return Entry(read_repository(sources.hub, repository), repository.commit)
        case "ollama":
            return Entry(_ollama(name, sources))
        case "lmstudio":
            return Entry(_lm_studio(name, sources))
        case _:
            raise refused("unknown-source", f"`{ref}` names no source of models", "check llm.toml")


def read_gguf(ref: ModelRef, sources: Sources) -> GgufFacts:
    """The facts of a reference that names a GGUF file, whatever its source."""
    facts = resolve_reference(ref, sources).facts
    if not isinstance(facts, GgufFacts):
        raise refused("not-gguf", f"`{ref}` is no GGUF file", "name a .gguf file")
    return facts


def local_path(name: str, sources: Sources) -> Path:
    """Where a file of the lock or of llm.toml is on this machine."""
    return sources.home / name[2:] if name.startswith("~/") else sources.models / name


def _ollama(name: str, sources: Sources) -> GgufFacts:
    blob = ollama_blob(sources.stores.ollama, name)
    facts = read_model(blob.path, spelled(blob.path, sources.home))
    return replace(facts, files=(replace(facts.files[0], sha256=blob.sha256),))


def _lm_studio(name: str, sources: Sources) -> GgufFacts:
    folder = sources.stores.lm_studio
    if folder is None:
        hint = "start LM Studio once, or name the file with `model`"
        raise refused("no-store", "there is no models folder of LM Studio here", hint)
    path = folder / name
    return read_model(path, spelled(path, sources.home))
