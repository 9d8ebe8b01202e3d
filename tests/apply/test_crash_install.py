"""An install killed before any of its file operations, twice in a row, is finished by the next."""

from functools import partial
from pathlib import PurePosixPath

import pytest
from fuse import copied, everything, killed_before, moments, put

from llmgen.apply.changes import NO_WAYS
from llmgen.apply.generations import generations
from llmgen.artifacts import Artifact
from llmgen.config.tables.hardware import Paths
from llmgen.layout import layout
from llmgen.operate.installation.install import PENDING, perform, prepare
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


@pytest.mark.thorough
def test_install_killed_twice_converges(quick_path):
    """The first run dies before each of its operations, the second before each of its own."""
    root = quick_path / "root"
    root.mkdir()
    install(root, BEFORE)
    (root / "etc/b/mine").write_text("x")
    start = copied(root)
    run = partial(install, root, AFTER)
    firsts = moments(run, root)
    assert len(firsts) > 15
    for number, first in enumerate(firsts, 1):
        put(copied(start), root)
        assert killed_before(number, run)
        assert everything(root) == everything(first), number
        seconds = moments(run, root)
        assert_installed(root, number)
        for again, second in enumerate(seconds, 1):
            put(second, root)
            run()
            assert_installed(root, (number, again))


def assert_installed(root, cut):
    assert texts(root) == AFTER | FOREIGN, cut
    newest = generations(root / "state/install")[-1]
    assert {f"/{path}" for path in newest.files} == {*AFTER}, cut
    assert not (root / "state/install" / PENDING).exists(), cut
