"""Picking the best tokens of each sampled row beside the logits."""

from llmgen.budget.graph.builder import Builder
from llmgen.budget.graph.sampling import sample
from llmgen.budget.graph.tensor import OUTPUT


class Logits:
    """As much of a scene as sampling reads."""

    def __init__(self, vocabulary, rows):
        self.b = Builder()
        self.results = {"logits": self.b.input("logits", "f32", vocabulary, rows)}


def test_logits_get_a_row_more():
    scene = Logits(1000, 4)
    sample(scene, 2)
    (wide,) = (node for node in scene.b.nodes if node.op == "PAD")
    assert wide.ne == (1000, 5, 1, 1)


def test_every_row_has_its_ten_best_and_their_logits():
    scene = Logits(1000, 4)
    sample(scene, 3)
    best = [node for node in scene.b.nodes if node.op == "TOP_K"]
    values = [node for node in scene.b.nodes if node.op == "GET_ROWS"]
    assert [node.ne for node in best] == [(10, 1, 1, 1)] * 3
    assert [node.ne[:2] for node in values] == [(1, 10)] * 3
    assert all(node.flags & OUTPUT for node in (*best, *values))


def test_a_small_vocabulary_has_fewer():
    scene = Logits(7, 1)
    sample(scene, 1)
    assert [node.ne[0] for node in scene.b.nodes if node.op == "TOP_K"] == [7]
