"""Matrices of the model that a draft drafts for, and places in its vocabulary."""

from __future__ import annotations

from llmgen.budget.graph.scene import Scene
from llmgen.budget.graph.tensor import WEIGHT, Tensor


def lent(scene: Scene, name: str) -> Tensor:
    """A matrix of the vocabulary, or that of the other model (``ctx_other``).

    Both models have the same devices, and an output on the last of them.
    """
    if found := scene.weight(name):
        return found
    ne = (scene.embedding, scene.model.vocabulary, 1, 1)
    home = scene.host if name.startswith("token") else scene.matrices.output_home()
    return scene.b.held(name, "f16", ne, home=home, flags=WEIGHT)


def spread(scene: Scene, of: Tensor) -> Tensor:
    """Rows of a smaller vocabulary, if it is one, in the places that they have in the whole one."""
    b, places, vocabulary = scene.b, scene.weight("d2t"), scene.model.vocabulary
    if not places:
        return of
    few, count = of.ne[0], of.ne[1]
    every = b.filled("f32", 1, vocabulary, count)
    rows = b.reshape(of, 1, few, count)
    every = b.set_rows(every, rows, b.reshape(places, few, 1, 1))
    return b.reshape(every, vocabulary, count)
