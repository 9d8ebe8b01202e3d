"""Every recipe against the program's own graph, tensor by tensor: the first that differs is told."""

import tempfile
from functools import cache
from pathlib import Path

import pytest

from llmgen.budget.graph.general import is_described
from llmgen.facts.local import read_model
from oracle import draws, grid, nodes

BUILD = 11739
# The program ends on every file of them that was drawn.
UNJUDGED = {"plm", "rwkv6qwen2"}


@cache
def lists():
    """The recorded lists of each architecture, with the facts of their shapes."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        files = grid.write_models(Path(folder))
        fixtures = {
            name: read_model(path) for name, path in files.items() if name[:8] == "fixture/"
        }
    for item in nodes.read(nodes.path_of(BUILD)):
        facts = fixtures[item.shape] if isinstance(item.shape, str) else item.shape.facts()
        found.setdefault(facts.architecture, []).append((facts, item))
    return found


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", sorted(set(draws.architectures()) - UNJUDGED))
def test_graph_is_the_programs_tensor_by_tensor(name):
    for facts, item in lists()[name]:
        ours = nodes.of_ours(facts, nodes.SETTINGS[item.setting], BUILD)
        assert nodes.first_difference(item.lines, ours) == "", (item.shape, item.setting)
        assert nodes.other_names(item.lines, ours) == {}, (item.shape, item.setting)


def test_every_architecture_that_is_drawn_has_a_recipe():
    assert [name for name in draws.architectures() if not is_described(name, BUILD)] == []


def test_first_difference_names_the_tensor_and_the_one_before():
    one, two = (nodes.Line(name, "ADD", 16, 0) for name in ("ffn_inp-0", "l_out-0"))
    wide = nodes.Line("l_out-0", "ADD", 32, 0)
    assert nodes.first_difference((one, two), (one, two)) == ""
    found = nodes.first_difference((one, two), (one, wide))
    assert "tensor 1" in found
    assert "ffn_inp-0" in found.splitlines()[-1]
    assert "tensor 1" in nodes.first_difference((one, two), (one,))
