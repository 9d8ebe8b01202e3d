"""A fuse that blows before the n-th operation on a file system, and a quick folder to burn."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod"}


class Killed(BaseException):
    pass


class Fuse:
    """Blows before the n-th operation that changes a file system."""

    def __init__(self):
        self.left, self.blow = None, None
        sys.addaudithook(self.event)

    def event(self, name, arguments):
        if self.left is None:
            return
        writes = name == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
        if name in EVENTS or writes:
            self.left -= 1
            if self.left == 0:
                self.left = None
                self.blow()


FUSE = Fuse()


def killed():
    raise Killed


@pytest.fixture
def quick_path(tmp_path):
    """A folder in memory where there is one: every operation is synced to the disk."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)
