"""Who may import whom: the flow of the README, from llm.toml's text to files and services."""

import ast
import tomllib
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
# Below first; each may import its own layer and those before it. A module's own line counts before
# its folder's.
LAYERS = (
    ("llmgen", "llmgen.errors", "llmgen.units", "llmgen.apply.failure", "llmgen.web"),
    (
        "llmgen.profiles",
        "llmgen.config",
        "llmgen.engines",
        "llmgen.artifacts",
        "llmgen.facts",
        "llmgen.reservation",
    ),
    ("llmgen.budget", "llmgen.building.recipe", "llmgen.building.bases"),
    (
        "llmgen.machine",
        "llmgen.layout",
        "llmgen.server_help",
        "llmgen.option_table",
        "llmgen.options",
    ),
    (
        "llmgen.library",
        "llmgen.gateway.addresses",
        "llmgen.gateway.exposure",
        "llmgen.gateway.remotes",
    ),
    ("llmgen.building.image",),
    ("llmgen.resolve",),
    ("llmgen.plan",),
    ("llmgen.render", "llmgen.apply"),
    ("llmgen.gateway",),
    ("llmgen.fleet",),
    ("llmgen.cluster",),
    ("llmgen.report",),
    ("llmgen.targets", "llmgen.firewall"),
    ("llmgen.detect", "llmgen.importing", "llmgen.models", "llmgen.bench", "llmgen.verify"),
    ("llmgen.sync",),
    ("llmgen.doctor", "llmgen.operate", "llmgen.building", "llmgen.remote"),
    ("llmgen.measuring", "llmgen.top"),
    ("llmgen.cli",),
    ("llmgen.__main__",),
)
# Between reading and writing: no file, clock, network or program, not even behind another import.
PURE = (
    "engines",
    "budget",
    "reservation",
    "library",
    "machine",
    "layout",
    "resolve",
    "plan",
    "report",
    "targets",
    "artifacts",
)


def modules():
    found = {}
    for path in REPOSITORY.glob("llmgen/**/*.py"):
        name = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


MODULES = modules()


def is_for_types(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports(tree):
    """Every import that runs, at the start or when a function is called."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif not is_for_types(node):
            waiting += ast.iter_child_nodes(node)


@cache
def imported(name):
    """Modules of llmgen that a module imports."""
    found = set()
    for wanted in imports(ast.parse(MODULES[name].read_text("utf-8"))):
        parts = wanted.split(".")
        known = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
        found |= {next((item for item in known if item in MODULES), name)}
    return found - {name}


def layer(name):
    parts = name.split(".")
    known = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    lines = {item: number for number, line in enumerate(LAYERS) for item in line}
    return lines[
        next(item for item in known if item in lines and (item != "llmgen" or len(parts) == 1))
    ]


def test_nothing_is_imported_from_a_later_layer():
    wrong = {
        (name, other) for name in MODULES for other in imported(name) if layer(other) > layer(name)
    }
    assert not wrong


def test_edges_are_not_behind_the_pure_stages():
    rules = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    permissions = rules["tool"]["ruff"]["lint"]["per-file-ignores"]
    edges = {
        path.removesuffix(".py").replace("/", ".")
        for path, permitted in permissions.items()
        if "TID251" in permitted
    } & {*MODULES}
    assert "llmgen.apply.files" in edges
    waiting = [name for name in MODULES if name.split(".")[1:2] and name.split(".")[1] in PURE]
    reached = {*waiting}
    while waiting:
        fresh = imported(waiting.pop()) - reached
        reached |= fresh
        waiting += fresh
    assert not reached & edges
