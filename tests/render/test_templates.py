"""Every printed expression of every template ends in a quoting filter."""

import pytest
from jinja2 import nodes

from llmgen.render.environment import make_environment, templates_folder
from llmgen.render.quoting import FILTERS

QUOTING = {*FILTERS, "comment"}
TEMPLATES = sorted(
    path.relative_to(templates_folder()).as_posix() for path in templates_folder().rglob("*.j2")
)


def unquoted(text):
    """Lines with a printed expression whose outermost node is no quoting filter."""
    tree = make_environment([]).parse(text)
    return [
        node.lineno
        for output in tree.find_all(nodes.Output)
        for node in output.nodes
        if not isinstance(node, nodes.TemplateData)
        and not (isinstance(node, nodes.Filter) and node.name in QUOTING)
    ]


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_expression_is_quoted(template):
    assert unquoted((templates_folder() / template).read_text("utf-8")) == []


@pytest.mark.parametrize("template", TEMPLATES)
def test_nothing_is_joined_or_calculated(template):
    tree = make_environment([]).parse((templates_folder() / template).read_text("utf-8"))
    arithmetic = (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.Mod, nodes.Pow, nodes.Concat)
    assert [node.lineno for node in tree.find_all(arithmetic)] == []


def test_the_walk_finds_what_is_not_quoted():
    assert unquoted("{{ a | yaml }}\n{{ b }}\n{{ c | yaml | upper }}\n{{ (d ~ e) | shell }}") == [
        2,
        3,
    ]
