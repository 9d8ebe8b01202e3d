"""An install killed before any of its file operations, twice in a row, is finished by the next."""

import os
import shutil
import signal
from pathlib import PurePosixPath

import readers
from fuse import FUSE

from llmgen.apply.changes import NO_WAYS
from llmgen.apply.generations import generations
from llmgen.artifacts import Artifact
from llmgen.config.tables.hardware import Paths
from llmgen.layout import layout
from llmgen.operate.install import PENDING, perform, prepare
from llmgen.operate.site import Site, installed


def artifacts(files):
    return installed(
        Artifact(PurePosixPath(name.lstrip("/")), text.encode(), "t", install=PurePosixPath(name))
        for name, text in files.items()
    )


def site(root):
    place = layout(Paths(home="/home/x"), "user")
    return Site(place, "linux", root, root / "state/install")


def install(root, files):
    here = site(root)
    perform(here, prepare(here, artifacts(files), NO_WAYS), reason="x", drain=lambda: None)


def install_killed(root, files, operation):
    """Whether SIGKILL ended the install before its n-th operation."""
    child = os.fork()
    if child == 0:
        FUSE.left, FUSE.blow = operation, lambda: os.kill(os.getpid(), signal.SIGKILL)
        install(root, files)
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def texts(root):
    found = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {
        f"/{path.relative_to(root)}": path.read_text()
        for path in found
        if "state" not in path.relative_to(root).parts
    }


BEFORE = {"/etc/a": "1", "/etc/b/c": "2"}
AFTER = {"/etc/a": "new", "/etc/d/e": "3"}
FOREIGN = {"/etc/b/mine": "x"}


def test_install_killed_twice_converges(quick_path):
    """The first run dies before each of its operations, the second before each of its own.

    Outside of CI the second takes every fourth.
    """
    step = 1 if readers.required() else 4
    first = 0
    cut = True
    while cut:
        first += 1
        second, cut_again = 1 - step, True
        while cut_again:
            second += step
            root = quick_path / f"{first}-{second}"
            root.mkdir()
            install(root, BEFORE)
            (root / "etc/b/mine").write_text("x")
            cut = install_killed(root, AFTER, first)
            cut_again = cut and install_killed(root, AFTER, second)
            install(root, AFTER)
            assert texts(root) == AFTER | FOREIGN, (first, second)
            newest = generations(root / "state/install")[-1]
            assert {f"/{path}" for path in newest.files} == {*AFTER}, (first, second)
            assert not (root / "state/install" / PENDING).exists()
            shutil.rmtree(root)
    assert first > 15
