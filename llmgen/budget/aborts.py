"""Settings at which the program dies of an assertion of its own, while it reserves its graph."""

from __future__ import annotations

from llmgen.budget.builds import Rule
from llmgen.budget.graph.head import pools_mean
from llmgen.budget.graph.recipe import DRAFTS_READ, Recipe
from llmgen.budget.graph.recipes import RECIPES
from llmgen.budget.server.geometry import Geometry, all_rows, pooling
from llmgen.budget.settings import ServerSettings, SettingRefused
from llmgen.budget.shape.hyperparameters import Hyperparameters


def refuse_block(model: Hyperparameters, build: int) -> None:
    """Refuse drafts by a nextn block that llama.cpp loads and has no graph of (``graph_mtp``).

    The server ends: it makes the trunk's graph beside a cache of the block alone. Later builds may
    have a graph.
    """
    recipe = RECIPES.get(model.name)
    if recipe is None or recipe.block or not model.behind or build > DRAFTS_READ:
        return
    message = f"b{build} has no graph of the MTP layers of `{model.name}`: the server ends"
    raise SettingRefused("draft", message, "name a draft model, or take the draft away")


def refuse_aborts(model: Hyperparameters, settings: ServerSettings, counts: Geometry) -> None:
    """Refuse slots that a graph cannot be made of.

    A bias of relative positions is for one cache of all slots (``ggml_can_repeat``).
    ``graph_reserve`` rounds tokens up to as many for each slot, and nothing else: products with
    means of each slot's tokens then do not fit to the outputs that it picks (``ggml_can_mul_mat``),
    nor a graph for one slot to a cache of several (``ggml_can_repeat``).
    """
    recipe = RECIPES.get(model.name, Recipe())
    if recipe.special == "relative" and recipe.cached and counts.streams > 1:
        message = (
            f"`{model.name}` has biases for one cache: the server ends if each slot has its own"
        )
        raise SettingRefused("kv_unified", message, "use `kv_unified = true`, or `parallel = 1`")
    if not counts.tokens % counts.slots:
        return
    means = pools_mean(model.header, recipe, pooling(model, settings))
    if all_rows(settings) and recipe.picks and means:
        why = "mean pooling"
    elif Rule.ONE_SLOT_RESERVED in model.build and not counts.unified and _adds(model):
        why = f"`{model.name}`"
    else:
        return
    message = (
        f"{why} needs slots that share a micro-batch evenly: the server ends if "
        f"{counts.tokens} tokens are for {counts.slots} slots"
    )
    most = max(each for each in range(1, counts.slots) if not counts.tokens % each)
    raise SettingRefused("parallel", message, f"use `parallel = {most}`")


def _adds(model: Hyperparameters) -> bool:
    """Whether attention of any layer is added to its stream token by token: the last one picks."""
    return any(map(model.attends, range(model.trunk - 1)))
