"""One word, one meaning: no two types of the package have one name."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "llmgen"


def named(path: Path) -> Iterator[str]:
    """Classes and aliases of a module; `Table = TypeVar("Table")` is neither."""
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case ast.ClassDef(name=name):
                yield name
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=value)
            ):
                made = value.func if isinstance(value, ast.Call) else None
                if is_of_a_type(name) and not (isinstance(made, ast.Name) and made.id == "TypeVar"):
                    yield name


def is_of_a_type(name: str) -> bool:
    return name.lstrip("_")[:1].isupper() and not name.isupper()


def test_no_two_types_of_the_package_have_one_name():
    homes: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for name in named(path):
            homes.setdefault(name, []).append(str(path.relative_to(PACKAGE)))
    assert len(homes) > 500
    assert {name: found for name, found in homes.items() if len(found) > 1} == {}


def test_nobody_calls_a_type_of_another_module_otherwise():
    renamed = [
        f"{path.relative_to(PACKAGE)}: {alias.name} as {alias.asname}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("llmgen")
        for alias in node.names
        if alias.asname and is_of_a_type(alias.name)
    ]
    assert renamed == []
