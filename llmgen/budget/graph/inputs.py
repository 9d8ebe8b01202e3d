"""What the program writes before a graph runs (``build_inp_*`` in llama-graph.cpp)."""

from __future__ import annotations

from typing import Final

from llmgen.budget.builds import Rule
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor, is_contiguous

_FOUR: Final = 4


def embedded(
    scene: Scene,
    *,
    scaled: bool = False,
    scaled_rows: bool = False,
    mixed: bool = True,
    by_header: bool = False,
) -> Tensor:
    """The rows of the tokens; since batches may be mixed, with inputs for embeddings beside them.

    ``scaled`` multiplies them all, ``scaled_rows`` rows of tokens alone, which an input says;
    ``by_header`` is whether the header has the scale.
    """
    b, wide = scene.b, input_width(scene)
    table = scene.needed("token_embd.weight")
    given = b.input("inp_embd", "f32", wide, scene.tokens)
    mixed = mixed and scene.follows(Rule.MIXED_BATCH)
    names = ("inp_tokens", "inp_mixed_tokens") if mixed else ("inp_tokens",)
    rows = [b.get_rows(table, b.input(name, "i32", scene.tokens)) for name in names]
    if scene.follows(Rule.ROWS_FIRST):
        for found in rows:
            b.expand(found)
    stream, *others = (_widened(scene, found, wide) for found in rows)
    b.expand(stream)
    b.expand(given)
    for other in others:
        slots = b.input("inp_mixed_slots", "i64", scene.tokens)
        both = b.input("inp_mixed_embd", "f32", wide, scene.tokens)
        b.expand(b.set_rows(b.dup(both), other, slots))
    if wide != scene.embedding:
        scene.wide = stream
        stream = b.view(stream, (scene.embedding, scene.tokens), (stream.nb[1],))
    scaled = scaled or (scaled_rows and not scene.follows(Rule.MIXED_BATCH))
    if scaled and wide == scene.embedding:
        stream = b.scale(_dense(scene, stream))
    elif scaled or scaled_rows:
        factors = b.input("inp_scale_rows", "f32", 1, scene.tokens)
        stream = b.mul(_dense(scene, stream), factors)
    scene.call(stream, "embd")
    # Before, models with a scale of their own multiplied what was expanded already.
    return b.expand(stream) if by_header or scene.follows(Rule.MIXED_BATCH) else stream


def _dense(scene: Scene, of: Tensor) -> Tensor:
    return of if is_contiguous(of) else scene.b.cont(of)


def _widened(scene: Scene, rows: Tensor, wide: int) -> Tensor:
    return rows if wide == scene.embedding else scene.b.pad(rows, wide - scene.embedding)


def input_width(scene: Scene) -> int:
    """Elements of an input's row: those of later layers may be behind the first ones."""
    return scene.embedding * (1 + scene.model.header.count("n_deepstack_layers"))


def positions(scene: Scene, count: int = 1) -> Tensor:
    """Where each token is, in ``count`` numbers: four with images (``n_pos_per_embd``).

    0 looks into the header for sections of the rotation (``use_mrope``).
    """
    if not count:
        sections = scene.model.header.listed("rope.dimension_sections")
        several = len(sections) > 1 and sections[0] and sections[1]
        count = _FOUR if several and not scene.follows(Rule.ONE_POSITION) else 1
    return scene.b.input("inp_pos", "i32", scene.tokens * count)


def output_rows(scene: Scene) -> Tensor:
    """Which rows are outputs."""
    return scene.b.input("out_ids", "i32", scene.outputs)


def attention_scale(scene: Scene) -> Tensor:
    """How much warmer the attention of each token is."""
    return scene.b.input("inp_attn_scale", "f32", 1, 1, scene.tokens)


def deep_rows(scene: Scene) -> Tensor:
    """Rows of the input that a layer adds to its result; where they start moves no memory."""
    wide = scene.wide
    return scene.b.view(wide, (scene.embedding, scene.tokens), (wide.nb[1],))
