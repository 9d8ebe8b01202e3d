"""A run killed at any operation, and again while it recovers, ends with the wanted tree.

The first kill is real (SIGKILL in a forked child) where every pair of operations is tried; the
second is what its folder was at that moment, which the first kills show to be the same. Random
histories are cut by an exception that nothing catches.
"""

import random
from functools import partial
from pathlib import PurePosixPath

import pytest
import readers
from fuse import FUSE, Killed, copied, everything, killed, killed_before, moments, put

from llmgen.apply.write import LEDGER, apply_changes, plan_changes
from llmgen.artifacts import Artifact, Tree


def tree(files):
    return Tree(Artifact(PurePosixPath(name), text.encode(), "t") for name, text in files.items())


def write(root, files):
    apply_changes(plan_changes(tree(files), root), root)


def write_until(root, files, operation):
    """Whether the run was cut short before its n-th operation."""
    FUSE.left, FUSE.blow = operation, killed
    try:
        write(root, files)
    except Killed:
        return True
    finally:
        FUSE.left = None
    return False


def texts(root):
    return {
        str(path.relative_to(root)): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != LEDGER
    }


BEFORE = {"a": "1", "b/c": "2", "b/d": "3", "e/f/g": "4"}
AFTER = {"a": "new", "b/d": "3", "h/i": "5"}
FOREIGN = {"b/mine": "x", "e/f/.mine.llmgen-new": "y"}


def prepared(root):
    write(root, BEFORE)
    for name, text in FOREIGN.items():
        (root / name).write_text(text)
    return root


# Of the first run's moments some are quick; of each all that the second run can come to.
EVERY = 1 if readers.required() else 4


def test_killed_twice_at_every_operation(quick_path):
    """The first run dies before each of its operations, the second before each of its own."""
    root = quick_path / "root"
    start = copied(prepared(root))
    run = partial(write, root, AFTER)
    firsts = moments(run, root)
    assert len(firsts) > 10
    for number, first in [*enumerate(firsts, 1)][::EVERY]:
        put(copied(start), root)
        assert killed_before(number, run)
        assert everything(root) == everything(first), number
        seconds = moments(run, root)
        assert texts(root) == AFTER | FOREIGN, number
        for again, second in enumerate(seconds, 1):
            put(second, root)
            run()
            assert texts(root) == AFTER | FOREIGN, (number, again)


@pytest.mark.thorough
def test_random_histories_converge(quick_path):
    chance, crashes = random.Random(7), 0
    names = ["a", "b", "d/a", "d/b", "e/f/a"]
    for history in range(150):
        root = quick_path / str(history)
        root.mkdir()
        (root / "foreign").write_text("mine")
        for _ in range(3):
            wanted = {
                name: chance.choice("xyz") for name in chance.sample(names, chance.randint(0, 5))
            }
            for _ in range(2):
                crashes += write_until(root, wanted, chance.randint(1, 16))
            if chance.random() < 0.7:
                write(root, wanted)
                assert texts(root) == wanted | {"foreign": "mine"}
        write(root, wanted)
        assert texts(root) == wanted | {"foreign": "mine"}
    assert crashes > 200
