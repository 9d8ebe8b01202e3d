"""How many examples are drawn: all in CI, where every reader has to be there, a few in the quick tests."""

import readers
from hypothesis import settings

# Of an even draw so many show what an ordinary mistake breaks; the rare one is CI's to find.
QUICK = 5


def examples(count):
    """Settings of a test that draws so many; one in ``QUICK`` of them when it is to be quick."""
    return settings(max_examples=count if readers.required() else max(count // QUICK, 1))
