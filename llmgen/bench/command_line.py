"""Command lines of llama-bench and llama-batched-bench, with the plan's memory settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from llmgen.bench.recipes import BenchRecipe, depths, listed, slots
from llmgen.library import Library
from llmgen.plan.command import Assignment, assignments, words
from llmgen.plan.plan import Placement

# Options of llama-server that say where a model is and how much memory it takes: the batched
# program reads them as the server does (common/arg.cpp serves both).
_SHARED: Final = frozenset({
    "--batch-size",
    "--cache-type-k",
    "--cache-type-v",
    "--ctx-size",
    "--device",
    "--fit",
    "--flash-attn",
    "--kv-offload",
    "--kv-unified",
    "--load-mode",
    "--main-gpu",
    "--model",
    "--n-cpu-moe",
    "--n-gpu-layers",
    "--override-tensor",
    "--split-mode",
    "--swa-full",
    "--tensor-split",
    "--threads",
    "--threads-batch",
    "--ubatch-size",
})  # fmt: skip
# llama-bench has a parser of its own: lists of its options are cut at commas, so that these lists
# within one measurement have other marks (tools/llama-bench/llama-bench.cpp).
_OWN_MARK: Final = {"--device": "/", "--tensor-split": "/", "--override-tensor": ";"}
_NOT_OWN: Final = frozenset(
    {"--ctx-size", "--fit", "--kv-unified", "--swa-full", "--threads-batch"}
)


def command_line(
    placement: Placement, library: Library, recipe: BenchRecipe, folder: str
) -> tuple[str, ...]:
    """The words of one measurement; ``folder`` has the programs."""
    found = [
        item
        for item in assignments(placement.model, placement.settings, library)
        if item.option.flag in _SHARED
    ]
    program = f"{folder}/{recipe.program}"
    if recipe.program == "llama-batched-bench":
        return (program, *words(found), *_batched(placement, recipe))
    own = (item for item in found if item.option.flag not in _NOT_OWN)
    return (program, *(word for item in own for word in _own(item)), *_plain(placement, recipe))


def _batched(placement: Placement, recipe: BenchRecipe) -> Iterator[str]:
    yield from ("-npp", listed(recipe.prompts), "-ntg", listed(recipe.answers))
    yield from ("-npl", listed(slots(placement, recipe)), "--output-format", "jsonl")


def _plain(placement: Placement, recipe: BenchRecipe) -> Iterator[str]:
    yield from ("--output", "jsonl", "--repetitions", str(recipe.repetitions))
    yield from ("--n-prompt", listed(recipe.prompts))
    # Embedding and rerank models answer without generating anything.
    generates = not placement.settings.embedding
    yield from ("--n-gen", listed(recipe.answers if generates else (0,)))
    yield from ("--n-depth", listed(depths(placement, recipe)))
    if not generates:
        yield from ("--embeddings", "1")


def _own(item: Assignment) -> Sequence[str]:
    """One option in llama-bench's words."""
    flag, value = item.option.flag, item.value
    match flag, value:
        case "--kv-offload", bool():
            return "--no-kv-offload", str(int(not value))
        case "--n-gpu-layers", "all":
            return flag, "-1"
        case _, str() if flag in _OWN_MARK:
            return flag, value.replace(",", _OWN_MARK[flag])
        case _, str():
            return flag, value
        case _:
            return ()
