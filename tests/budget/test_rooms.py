"""Rooms of the budget: each imports those before it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import llmgen.budget

PACKAGE = Path(llmgen.budget.__file__).parent
ROOMS = (
    *("memory", "settings", "builds", "remembered"),
    *("shape", "server", "held", "graph", "schedule", "beside"),
    *("margin", "aborts", "compute", "context", "drafting", "reading", "estimate"),
)


def imported(path: Path) -> Iterator[str]:
    """The rooms that a module imports, in functions, too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            words = node.module.split(".")
            if words[:2] == ["llmgen", "budget"]:
                yield words[2]


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_every_module_has_its_room():
    assert {room(path) for path in PACKAGE.rglob("*.py")} == {*ROOMS, "__init__"}


def test_a_room_imports_those_before_it_alone():
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in PACKAGE.rglob("*.py")
        if room(path) in ROOMS
        for name in imported(path)
        if ROOMS.index(name) > ROOMS.index(room(path))
    ]
    assert wrong == []


def test_every_room_has_tests_of_its_own():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    tested = {path.parent.name for path in Path(__file__).parent.glob("*/test_*.py")}
    assert rooms == tested
