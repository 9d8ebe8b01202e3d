"""Recipes: what llama-bench and a running server are asked for, from the plan's settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from llmgen.plan.model import Placement
from llmgen.units import show_number


class Recipe(Struct, frozen=True):
    """One named measurement.

    ``prompts`` and ``depths`` are tokens, ``answers`` generated tokens; ``connections`` of the HTTP
    form are requests at the same time. A depth beyond the model's context is left out.
    """

    name: str
    summary: str
    prompts: tuple[int, ...] = (512,)
    answers: tuple[int, ...] = (128,)
    depths: tuple[int, ...] = (0,)
    repetitions: int = 3
    connections: tuple[int, ...] = (1,)


RECIPES: Final[dict[str, Recipe]] = {
    item.name: item
    for item in (
        Recipe("single", "one prompt, one answer"),
        Recipe("depth", "how speed falls with context", depths=(0, 4096, 16384, 65536)),
        Recipe("batched", "as many requests as there are slots", connections=(1, 2, 4, 8)),
        Recipe(
            "stress", "the longest context that the plan gives", depths=(0, 131072), repetitions=1
        ),
    )
}


def llama_bench(placement: Placement, recipe: Recipe, program: str) -> tuple[str, ...]:
    """llama-bench's command line with the memory settings of the plan, results as JSON lines."""
    settings, longest = placement.settings, placement.estimate.n_ctx_seq
    depths = [depth for depth in recipe.depths if depth + max(recipe.prompts) <= longest]
    words = [program, "--model", str(placement.model.path), "--output", "jsonl"]
    words += ["--repetitions", str(recipe.repetitions)]
    words += ["--n-prompt", _list(recipe.prompts), "--n-gen", _list(recipe.answers)]
    words += ["--n-depth", _list(depths or [0])]
    words += ["--batch-size", str(settings.batch_size), "--ubatch-size", str(settings.ubatch_size)]
    words += ["--cache-type-k", settings.cache_type_k, "--cache-type-v", settings.cache_type_v]
    words += ["--flash-attn", settings.flash_attn]
    words += ["--n-gpu-layers", str(settings.n_gpu_layers if settings.devices else 0)]
    words += ["--n-cpu-moe", str(settings.n_cpu_moe)]
    words += ["--no-kv-offload", str(int(not settings.kv_offload))]
    if settings.tensor_split:
        words += ["--tensor-split", "/".join(map(show_number, settings.tensor_split))]
    if settings.embedding:
        words += ["--embeddings", "1"]
    return tuple(words)


def connections(placement: Placement, recipe: Recipe) -> Iterator[int]:
    """How many requests at the same time, up to twice the model's slots."""
    return (count for count in recipe.connections if count <= 2 * placement.settings.parallel)


def _list(numbers: tuple[int, ...] | list[int]) -> str:
    return ",".join(str(number) for number in numbers)
