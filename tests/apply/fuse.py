"""A fuse that blows before the n-th operation on a file system, and a quick folder to burn."""

import os
import shutil
import signal
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


def killed_before(operation, run):
    """Whether SIGKILL ended a run, in a child process, before its n-th operation."""
    child = os.fork()
    if child == 0:
        FUSE.left, FUSE.blow = operation, lambda: os.kill(os.getpid(), signal.SIGKILL)
        run()
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def moments(run, root):
    """Copies of a folder before each operation of one run: what a kill there leaves of it."""
    found = []

    def keep():
        found.append(copied(root))
        FUSE.left = 1

    FUSE.left, FUSE.blow = 1, keep
    try:
        run()
    finally:
        FUSE.left = None
    return found


def copied(root):
    copy = Path(tempfile.mkdtemp(dir=root.parent)) / root.name
    return shutil.copytree(root, copy, symlinks=True)


def put(copy, root):
    """Make a copy the folder."""
    shutil.rmtree(root)
    copy.rename(root)


def everything(root):
    """Mode and bytes of all that is below a folder."""
    return {
        path.relative_to(root): (path.stat().st_mode, path.is_file() and path.read_bytes())
        for path in root.rglob("*")
    }


@pytest.fixture
def quick_path(tmp_path):
    """A folder in memory where there is one: every operation is synced to the disk."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)
