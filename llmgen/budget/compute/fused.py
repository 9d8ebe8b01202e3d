"""What a context finds out in first graphs (``resolve_fused_ops``): what is done at once."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from llmgen.budget.builds import Rule
from llmgen.budget.compute.ground import (
    MOST_RECORDED,
    Ground,
    describe_scene,
    key_of,
    layers_of,
    of_any_cells,
    scene_of,
)
from llmgen.budget.remembered import Remembered
from llmgen.budget.schedule.assign import assign
from llmgen.budget.server.refusals import refuse_quantized_values
from llmgen.budget.shape.rows import is_quantized

# Tokens of each slot in the graphs in which a context looks for fused delta nets.
_DELTA_PROBES = (1, 16)
# Micro-batches of fewer tokens have ties to the devices of layers, as those that are wholly there.
_TIED_BELOW = 32
# Where operations ran.
_APART: Remembered[bool] = Remembered(MOST_RECORDED)


def resolved(ground: Ground, names: Sequence[str]) -> tuple[Ground, bool]:
    """The ground with what a context finds out in first graphs (``resolve_fused_ops``).

    False with it where another operation than flash attention is not done at once: the graph of its
    parts has no recipe. Those that a recipe has in parts, too, are asked for one by one.
    """
    if ground.automatic and _apart(ground, names, "FLASH_ATTN_EXT", 1):
        if is_quantized(ground.setting.type_v):
            _refuse_apart(ground)
        else:
            ground = replace(ground, setting=replace(ground.setting, flash=False, rows=True))
    for op in ground.recipe.fused:
        if _apart(ground, names, op, 1):
            apart = (*ground.setting.apart, op)
            ground = replace(ground, setting=replace(ground.setting, apart=apart))
    fused = not any(_apart(ground, names, "GATED_DELTA_NET", each) for each in _DELTA_PROBES)
    return ground, fused


def _refuse_apart(ground: Ground) -> None:
    """Later builds do not look where V is quantised, earlier ones refuse."""
    if Rule.QUANTISED_V_LEAVES_AUTO in ground.model.build:
        refuse_quantized_values(ground.model, ground.setting.type_v)


def _apart(ground: Ground, names: Sequence[str], op: str, each: int) -> bool:
    """Whether an operation runs elsewhere than its layer, with ``each`` tokens a slot."""
    setting, placement = ground.setting, ground.placement
    simple = setting.kv_offload and placement.is_full and not ground.moved
    if simple or (op == "GATED_DELTA_NET" and "delta" not in ground.recipe.mixer):
        return False
    key = (op, each, *key_of(of_any_cells(ground)))
    return _APART.get(key, ground, lambda: _runs_apart(ground, names, op, each))


def _runs_apart(ground: Ground, names: Sequence[str], op: str, each: int) -> bool:
    setting = ground.setting
    rows = setting.counts.slots * each
    counts = replace(setting.counts, ubatch=rows, outputs=rows)
    probe = replace(ground, setting=replace(setting, counts=counts))
    scene = scene_of(probe, names, layers_of(ground))
    tied = rows < _TIED_BELOW or ground.placement.is_full
    scene.ties = tied and op in ground.recipe.fused
    describe_scene(scene, ground.recipe)
    assign(scene.b, len(names) - 1)
    asked = (node for node in scene.b.nodes if node.op == op and node.layer >= 0)
    return any(node.backend != scene.homes[node.layer] for node in asked)
