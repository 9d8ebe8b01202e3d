"""Who loads on-demand models is one row of one table, and nobody else compares its name."""

import ast
from pathlib import Path
from typing import get_args

import llmgen
from llmgen.config.tables.services import Services
from llmgen.engines import loaders

PACKAGE = Path(llmgen.__file__).parent


def test_every_choice_of_on_demand_has_its_row():
    choices = get_args(Services.model_fields["on_demand"].annotation)
    assert tuple(loaders.LOADERS) == choices == get_args(loaders.LoaderName)
    assert all(loaders.loader_of(Services(on_demand=name)).name == name for name in choices)


def test_row_has_the_table_of_its_name():
    for name, row in loaders.LOADERS.items():
        services = Services(on_demand=name)
        table = loaders.table_of(services)
        assert table is (getattr(services, name) if row.loads else None)


def compared(tree):
    """Lines where `….on_demand` is compared with anything, or matched."""
    for node in ast.walk(tree):
        sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        sides += [node.subject] if isinstance(node, ast.Match) else []
        if any(isinstance(side, ast.Attribute) and side.attr == "on_demand" for side in sides):
            yield node.lineno


def test_no_module_compares_its_name():
    found = {
        path.relative_to(PACKAGE).as_posix(): list(compared(ast.parse(path.read_text("utf-8"))))
        for path in PACKAGE.rglob("*.py")
    }
    assert {name: lines for name, lines in found.items() if lines} == {}
