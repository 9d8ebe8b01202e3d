"""What works and is hardly meant: numbers beyond the model, modes that a machine speaks against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmgen.config.config import Config
from llmgen.config.tables.models import Defaults, Draft, ModelTable
from llmgen.engines.memory import ALL
from llmgen.errors import Diagnostic, KeyPath, Severity
from llmgen.facts.gguf_facts import GgufFacts
from llmgen.library import Model
from llmgen.profiles import advised_load_mode
from llmgen.resolve.references import has_checkpoint


def notes(config: Config, models: Sequence[Model]) -> Iterator[Diagnostic]:
    """Notes on the joined models; those of [defaults] once."""
    llama = [item for item in models if item.is_llama]
    for model in llama:
        yield from _own(model, config.models[model.name])
    yield from _usual(config, llama)
    yield from _load_mode(config, llama)
    for model in models:
        yield from _unread(model, config.models[model.name])


def _own(model: Model, table: ModelTable) -> Iterator[Diagnostic]:
    key, name = ("models", model.name), f"`{model.name}`"
    yield from _layers(key, name, table, model.facts)
    if table.draft is not None and model.draft is not None:
        yield from _layers((*key, "draft"), f"the draft of {name}", table.draft, model.draft)
    yield from _experts(key, name, table, model.facts)


def _unread(model: Model, table: ModelTable) -> Iterator[Diagnostic]:
    """A reservation is planned without knowing what has to fit into it."""
    if not model.engine.reads_checkpoints or not has_checkpoint(table) or model.served is None:
        return
    if model.served.checkpoint is None and model.served.memory != ALL:
        yield _note(
            ("models", model.name),
            f"whether the weights of `{model.name}` fit into its reservation is not known",
            "run `llmgen lock`, which reads the headers of its safetensors",
        )


def _usual(config: Config, models: Sequence[Model]) -> Iterator[Diagnostic]:
    """Numbers of [defaults] that no model which they are for has so many layers for."""
    for key, told in (("n_gpu_layers", _layers), ("n_cpu_moe", _experts)):
        taking = [item for item in models if getattr(config.models[item.name], key) is None]
        most = max(taking, key=lambda item: _blocks(item.facts), default=None)
        if most is not None:
            yield from told(("defaults",), f"`{most.name}`", config.defaults, most.facts)


def _layers(
    key: KeyPath, who: str, table: ModelTable | Defaults | Draft, facts: GgufFacts
) -> Iterator[Diagnostic]:
    asked, count = table.n_gpu_layers, _blocks(facts) + 1
    if isinstance(asked, int) and asked > count:
        yield _note(
            (*key, "n_gpu_layers"),
            f"{who} has {count} layers with the output: `n_gpu_layers = {asked}` means all of them",
            '`n_gpu_layers = "all"`, or leave it out',
        )


def _experts(
    key: KeyPath, who: str, table: ModelTable | Defaults, facts: GgufFacts
) -> Iterator[Diagnostic]:
    asked, count = table.n_cpu_moe, _blocks(facts)
    if not isinstance(asked, int) or not asked:
        return
    if key[0] == "models" and not facts.hyperparameters.get("expert_count"):
        what = f"{who} has no experts: `n_cpu_moe = {asked}` does nothing"
        yield _note((*key, "n_cpu_moe"), what, "leave it out, or `n_gpu_layers` for whole layers")
    elif asked > count:
        what = f"{who} has {count} layers: `n_cpu_moe = {asked}` means all of them"
        yield _note((*key, "n_cpu_moe"), what, "`cpu_moe = true`")


def _load_mode(config: Config, models: Sequence[Model]) -> Iterator[Diagnostic]:
    """Weights that a machine would hold twice, where its profile says so."""
    wanted = advised_load_mode(config.hardware.profile)
    if not wanted:
        return
    mapped = [item for item in models if "mmap" in item.settings.load_mode]
    mapped += [item for item in models if item.settings.load_mode == "auto"]
    placed = [f"`{item.name}`" for item in models if item in mapped and item.settings.devices]
    if placed:
        yield _note(
            ("hardware", "profile"),
            f"weights that are mapped stand in memory twice on {config.hardware.profile}, as page "
            f"cache too: {', '.join(placed)}",
            f'`load_mode = "{wanted}"` in [defaults]',
        )


def _note(key: KeyPath, what: str, hint: str) -> Diagnostic:
    return Diagnostic("models.hardly-meant", what, key, hint=hint, severity=Severity.NOTE)


def _blocks(facts: GgufFacts) -> int:
    found = facts.hyperparameters.get("block_count", 0)
    return int(found) if isinstance(found, int | float) else 0
