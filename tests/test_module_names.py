"""pytest imports a test by its file's name alone: two of one name end the run."""

from collections import Counter
from pathlib import Path


def test_no_two_test_modules_have_one_name():
    found = Counter(path.name for path in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in found.items() if count > 1] == []
