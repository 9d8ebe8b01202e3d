"""pytest imports a test, and what lies beside it, by the file's name alone: two of one end the run."""

from collections import Counter
from pathlib import Path


def test_no_two_test_modules_have_one_name():
    found = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in found.items() if count > 1] == []


def test_no_two_modules_beside_tests_have_one_name():
    paths = Path(__file__).parent.rglob("*.py")
    beside = (path for path in paths if not (path.parent / "__init__.py").exists())
    found = Counter(path.name for path in beside if path.name != "conftest.py")
    assert [name for name, count in found.items() if count > 1] == []


def test_no_module_of_the_package_is_called_by_a_word_that_fits_all():
    package = Path(__file__).parents[1] / "llmgen"
    vague = {"model", "kinds", "utils", "helpers", "manager", "handler"}
    assert [path for path in package.rglob("*.py") if path.stem in vague] == []
