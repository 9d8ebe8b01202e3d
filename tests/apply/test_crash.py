"""A run killed at any operation, and again while it recovers, ends with the wanted tree.

The kill is real (SIGKILL in a forked child) where every pair of operations is tried, and an
exception that nothing catches where thousands of random histories are.
"""

import os
import random
import signal
from pathlib import PurePosixPath

import pytest
from fuse import FUSE, Killed, killed

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


def write_killed(root, files, operation):
    """The same in a child process that SIGKILL ends."""
    child = os.fork()
    if child == 0:
        FUSE.left, FUSE.blow = operation, lambda: os.kill(os.getpid(), signal.SIGKILL)
        write(root, files)
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


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


@pytest.mark.parametrize("again", [False, True])
def test_killed_at_every_operation(quick_path, again):
    taken = 0
    for first in range(1, 60):
        for second in range(1, 60, 2) if again else (0,):
            root = prepared(quick_path / f"{first}-{second}")
            cut = write_killed(root, AFTER, first)
            cut_again = cut and again and write_killed(root, AFTER, second)
            write(root, AFTER)
            assert texts(root) == AFTER | FOREIGN, (first, second)
            taken += cut
            if not cut_again:
                break
        if not cut:
            break
    assert not cut
    assert taken > 10


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
