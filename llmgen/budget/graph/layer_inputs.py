"""Rows of the tokens for every layer: a second embedding beside the stream (Gemma 3n and 4).

``build_inp_per_layer`` and ``project_per_layer_inputs`` in gemma3n.cpp and gemma4.cpp.
"""

from __future__ import annotations

from llmgen.budget.graph.linear import norm
from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import Tensor


def layer_rows(scene: Scene, *, scaled: bool = True) -> Tensor:
    """Look up the rows of the tokens; where they are not ``scaled`` yet, that is left for later."""
    b, table = scene.b, scene.needed("per_layer_token_embd.weight")
    rows = b.get_rows(table, b.input("inp_tokens", "i32", scene.tokens))
    if scaled:
        rows = b.scale(b.reshape(rows, *_by_layers(scene, rows)))
    return b.expand(scene.call(rows, "inp_per_layer_selected"))


def layer_inputs(scene: Scene, stream: Tensor, rows: Tensor) -> Tensor:
    """A row for each token and layer: [width, tokens, layers]."""
    b, product = scene.b, scene.needed("per_layer_model_proj.weight")
    made = b.scale(b.mul_mat(product, stream))
    made = b.reshape(made, *_by_layers(scene, made))
    made = norm(scene, "RMS_NORM", "per_layer_proj_norm", made)
    scene.call(made, "per_layer_proj")
    if rows.op == "GET_ROWS":
        rows = b.reshape(b.scale(rows), *_by_layers(scene, rows))
    both = scene.call(b.scale(b.add(made, rows)), "inp_per_layer")
    return b.cont(b.permute(both, 0, 2, 1, 3))


def _by_layers(scene: Scene, rows: Tensor) -> tuple[int, int, int]:
    layers = scene.model.trunk
    return rows.ne[0] // layers, layers, rows.ne[1]


def plane(scene: Scene, of: Tensor) -> Tensor:
    """One matrix of several; which one moves no memory."""
    return scene.b.view(of, of.ne[:2], (of.nb[1],))
