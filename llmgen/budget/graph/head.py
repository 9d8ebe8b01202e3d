"""The end of a graph: the last norm, logits, and what embedding servers hand over."""

from __future__ import annotations

from llmgen.budget.builds import Rule
from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.recipe import Recipe
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor
from llmgen.budget.shape.header import Header

_POOLED = ("mean", "cls", "last", "rank")
# llama_pooling_type in a header.
_MEAN = 1
# A constant of Chameleon's graph.
_IMAGE_TOKENS = 8196 - 4


def finish(scene: Scene, recipe: Recipe, stream: Tensor, rows: Tensor) -> None:
    """Norm, logits and pooled rows."""
    scene.call(stream, "l_out at last", scene.last)
    if ends_whole(scene, recipe) or scene.follows(Rule.STREAM_HANDED_ON):
        scene.give("h_nextn", stream)
    if ends_whole(scene, recipe):
        stream = scene.b.get_rows(stream, rows)
    result = norm(scene, recipe.norm, recipe.output_norm, stream) if recipe.output_norm else stream
    if recipe.rows_last and scene.follows(Rule.LAST_LAYER_WHOLE):
        scene.give("h_nextn", scene.call(result, "h_nextn"))
        result = scene.b.get_rows(result, rows)
    conclude(scene, recipe, result)


def conclude(scene: Scene, recipe: Recipe, result: Tensor) -> None:
    """Logits and pooled rows of what the last norm made."""
    scene.give("embd", scene.call(result, "result_norm" if recipe.output_norm else "result_embd"))
    if recipe.projected and (weight := scene.weight("cls.output.weight")):
        b, bias = scene.b, scene.weight("cls.output.bias")
        shorter = b.mul_mat(weight, result)
        shorter = b.add(shorter, bias) if bias else shorter
        b.expand(scene.give("embd", scene.call(shorter, "result_embd_proj")))
    alone = recipe.embeds_alone and scene.follows(Rule.EMBEDS_WITHOUT_LOGITS)
    if recipe.embeddings or (alone and scene.setting.embeddings):
        scene.b.expand(result)
    elif has_logits(scene):
        logits(scene, recipe, result)
    pool(scene, recipe)


def is_whole(scene: Scene, recipe: Recipe) -> bool:
    """Whether the last layer computes every token."""
    whole = scene.follows(Rule.LAST_LAYER_WHOLE)
    return whole and (recipe.rows_last or not recipe.mixer)


def ends_whole(scene: Scene, recipe: Recipe) -> bool:
    """Whether rows of outputs are taken between the last layer, which is whole, and its norm."""
    return is_whole(scene, recipe) and not recipe.rows_last


def has_logits(scene: Scene) -> bool:
    """Later builds make none of rows that are pooled."""
    pooled = scene.setting.embeddings and scene.setting.pooling in _POOLED
    return not (pooled and scene.follows(Rule.POOLED_WITHOUT_LOGITS))


def logits(scene: Scene, recipe: Recipe, of: Tensor) -> None:
    """A row of the vocabulary for each output."""
    b = scene.b
    held = recipe.reads_embedding
    matrix = scene.needed("token_embd.weight") if held else scene.matrices.output()
    result = b.mul_mat(matrix, b.scale(of) if recipe.rows_scaled else of)
    if scale := scene.weight("output.scale"):
        result = b.mul(result, scale)
    if bias := scene.weight("output.bias"):
        result = b.add(result, bias)
    result = bent(scene, recipe, result)
    if recipe.images:
        result = shut_images(scene, result)
    scene.give("logits", scene.call(result, "result_output"))
    b.expand(result)


def bent(scene: Scene, recipe: Recipe, logits: Tensor) -> Tensor:
    """Logits behind the operations that a recipe has for them."""
    for op in recipe.logits:
        if (op == "SCALE" and not _scales(scene)) or (op[0] == "?" and not _caps(scene)):
            continue
        name = op.lstrip("=?")
        logits = scene.b.each("UNARY" if name == "TANH" else name, logits)
    return logits


def shut_images(scene: Scene, logits: Tensor) -> Tensor:
    """Write over the logits of tokens that are images (``chameleon.cpp``)."""
    b = scene.b
    shut = b.each("CLAMP", b.made("NONE", "f32", (_IMAGE_TOKENS,)))
    return b.each("SET", logits, scene.call(shut, "img_logits"))


def _scales(scene: Scene) -> bool:
    return bool(scene.model.header.values.get("logit_scale"))


def _caps(scene: Scene) -> bool:
    return scene.model.header.values.get("final_logit_softcapping") != 0


def pool(scene: Scene, recipe: Recipe) -> None:
    """One row for each slot (``build_pooling``), and what is projected from it."""
    if not scene.setting.embeddings:
        return
    b, how, of = scene.b, scene.setting.pooling, scene.results["embd"]
    if pools_mean(scene.model.header, recipe, how):
        shares = b.input("mean", "f32", scene.tokens, scene.slots)
        result = b.mul_mat(b.cont(b.transpose(of)), shares)
    elif how in _POOLED:
        result = b.get_rows(of, b.input("cls", "i32", scene.slots))
    else:
        result = of
    if how == "rank":
        result = _ranked(scene, result)
    b.expand(scene.call(result, "result_embd_pooled"))
    scene.give("pooled", _dense(scene, result))


def pools_mean(header: Header, recipe: Recipe, how: str) -> bool:
    """Whether a slot's row is the mean of its tokens; a classifier may read that, too."""
    if how != "rank":
        return how == "mean"
    classified = header.values.get("classifier.pooling_type")
    return recipe.ranks_mean if classified is None else classified == _MEAN


def _dense(scene: Scene, of: Tensor) -> Tensor:
    """The products that some converted files have behind pooling (``build_dense_out``)."""
    b, result = scene.b, of
    if weight := scene.weight("dense_2.weight"):
        result = b.mul_mat(weight, result)
    if bias := scene.weight("dense_2.bias"):
        result = b.add(result, bias)
    if weight := scene.weight("dense_3.weight"):
        result = b.mul_mat(weight, result)
    return b.expand(scene.call(result, "result_embd_pooled"))


def _ranked(scene: Scene, of: Tensor) -> Tensor:
    """The classifier behind a pooled row."""
    b, result = scene.b, of
    if weight := scene.weight("cls.weight"):
        result = b.mul_mat(weight, result)
        if bias := scene.weight("cls.bias"):
            result = b.add(result, bias)
        result = b.unary(result)
        if scene.weight("cls.norm.weight"):
            result = norm(scene, "NORM", "cls.norm", result)
    if weight := scene.weight("cls.output.weight"):
        result = b.mul_mat(weight, result)
        if bias := scene.weight("cls.output.bias"):
            result = b.add(result, bias)
    return result
