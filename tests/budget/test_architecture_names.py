"""What an architecture is, its rows say: no other module knows one by its name."""

import ast
from collections.abc import Iterator
from pathlib import Path

import llmgen
from llmgen.budget.shape.architectures import ARCHITECTURES

PACKAGE = Path(llmgen.__file__).parent

# Where names of architectures are at home: the catalogue of memory, the graphs, and builds.
HOMES = (
    "budget/shape/architectures.py",
    "budget/graph/names.py",
    "budget/graph/recipes.py",
    "budget/graph/special/",
    "budget/builds.py",
    "budget/server/arrivals.py",
)

# Words of others that are spelled like one, by the module that reads them.
OTHERS = {
    "budget/beside/projector.py": {"qwen", "lfm2", "paddleocr"},  # beginnings of `projector_type`
    "config/tables/models.py": {"deepseek"},  # a format of reasoning
    "importing/llama_swap/command.py": {"llama"},  # a program
    # Model types of checkpoints (`config.json`).
    "reservation/attention.py": {
        *("gemma2", "gemma3", "cohere2", "mamba", "mamba2", "jamba", "nemotron_h"),
    },
    # Names of chat templates.
    "resolve/checks.py": {
        *("command-r", "deepseek", "deepseek2", "exaone-moe", "exaone4", "gemma", "gpt-oss"),
        *("granite", "hunyuan-dense", "hunyuan-moe", "llama4", "minicpm", "orion"),
        *("pangu-embedded", "phi3", "seed_oss"),
    },
}


def named(path: Path) -> Iterator[tuple[int, str]]:
    """Lines and strings of a module that are the name of an architecture."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and node.value in ARCHITECTURES:
            yield node.lineno, str(node.value)


def test_names_of_architectures_stand_in_their_tables_alone():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith(HOMES):
            continue
        found = (item for item in named(path) if item[1] not in OTHERS.get(name, set()))
        wrong += [f"{name}:{line} {word}" for line, word in found]
    assert wrong == []


def test_every_exception_is_one():
    for name, words in OTHERS.items():
        assert words == {word for _, word in named(PACKAGE / name)}
