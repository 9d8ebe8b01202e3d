"""Folders with filled keys: private while a stack runs, and gone with the service that read them."""

import os
import signal
import stat
import sys
from pathlib import Path, PurePosixPath

import pytest
import readers
from readers.ports import free_ports
from tiny_stacks import Foreground

from llmgen.apply.changes import Action, Change
from llmgen.artifacts import Artifact
from llmgen.config.tables.hardware import Paths
from llmgen.errors import InputError
from llmgen.gateway.secrets import Manifest
from llmgen.layout import layout
from llmgen.operate.installation.private import forget, forgetting
from llmgen.operate.site import Site

KEYS = PurePosixPath("etc/envoy/keys.json")
ENVOY = """
[gateway.envoy]
enable = true
port = {port}
admin_port = {admin}
api_keys = [{{ name = "a", secret = {{ env = "PLANTED" }} }}]
"""


@pytest.fixture
def site(tmp_path):
    place = layout(Paths(home="/home/x", runtime="/run/x"), "user")
    (tmp_path / KEYS.parent).mkdir(parents=True)
    return Site(place, "linux", tmp_path, tmp_path / "state")


def manifest(into, owner=None):
    content = Manifest(PurePosixPath(into), (), {}, owner=owner).content()
    return Artifact(PurePosixPath("envoy/keys.json"), content, "envoy")


def install(site, into, owner=None):
    (site.root / KEYS).write_bytes(manifest(into, owner).content)


def folders(site, *changes):
    return [step.words[-1] for step in forgetting(site, changes)]


def test_folder_of_a_manifest_that_goes_is_forgotten(site):
    install(site, "/run/told/envoy")
    assert folders(site, Change(Action.DELETE, KEYS)) == ["/run/told/envoy"]
    assert folders(site, Change(Action.KEEP, KEYS, manifest("/run/told/envoy"))) == []


def test_folder_that_moves_is_forgotten_and_one_that_stays_is_not(site):
    install(site, "/run/old/envoy")
    moved = Change(Action.UPDATE, KEYS, manifest("/run/new/envoy"))
    assert folders(site, moved) == ["/run/old/envoy"]
    assert folders(site, Change(Action.UPDATE, KEYS, manifest("/run/old/envoy"))) == []


def test_folder_of_another_user_is_forgotten_when_services_move_into_containers_or_out(site):
    folder, there = "/run/old/envoy", (10001, 10001)
    for old, new in ((None, there), (there, None), (there, (1, 1))):
        install(site, folder, old)
        assert folders(site, Change(Action.UPDATE, KEYS, manifest(folder, new))) == [folder]
    install(site, folder, there)
    assert folders(site, Change(Action.UPDATE, KEYS, manifest(folder, there))) == []


def test_missing_or_broken_manifest_leaves_the_layouts_own_folder(site):
    assert folders(site, Change(Action.FORGET, KEYS)) == ["/run/x/envoy"]
    (site.root / KEYS).write_text("{")
    assert folders(site, Change(Action.DELETE, KEYS)) == ["/run/x/envoy"]


def test_forgetting_takes_the_empty_folder_above_as_well(tmp_path):
    for name in ("envoy", "litellm"):
        (tmp_path / "run" / name).mkdir(parents=True)
        (tmp_path / "run" / name / "rds.yaml").write_text("key")
    forget(tmp_path / "run" / "envoy")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["litellm"]
    forget(tmp_path / "run" / "litellm")
    forget(tmp_path / "run" / "litellm")
    assert list(tmp_path.iterdir()) == []


def test_symlink_and_what_no_service_filled_are_let_be(tmp_path):
    (tmp_path / "own" / "folder").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "own")
    forget(tmp_path / "link")
    assert (tmp_path / "own" / "folder").is_dir()
    with pytest.raises(InputError, match=r"own/folder.* cannot be removed"):
        forget(tmp_path / "own")


def test_a_folder_that_becomes_a_link_costs_no_other_file(tmp_path, monkeypatch):
    # Root removes what belongs to the services' user, who can rename it at any time.
    for name in ("run", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").touch()
    listed = os.listdir

    def rename_first(descriptor):
        (tmp_path / "run").rename(tmp_path / "moved")
        (tmp_path / "run").symlink_to(tmp_path / "other")
        return listed(descriptor)

    monkeypatch.setattr(os, "listdir", rename_first)
    with pytest.raises(InputError):
        forget(tmp_path / "run")
    assert (tmp_path / "other" / "key").exists()
    assert listed(tmp_path / "moved") == []


@pytest.mark.reader("llama-server")
@pytest.mark.reader("llama-swap")
@pytest.mark.reader("envoy")
def test_stack_in_the_foreground_takes_new_keys_and_leaves_none(tmp_path, monkeypatch):
    temporary, ports = tmp_path / "tmp", free_ports(12)
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setenv("PLANTED", "sk-planted-3141592653")
    launcher = tmp_path / "llmgen"
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -m llmgen "$@"\n')
    launcher.chmod(0o755)
    envoy = (
        f'llama_swap = "{readers.find("llama-swap")}"',
        f'llama_swap = "{readers.find("llama-swap")}"\nenvoy = "{readers.find("envoy")}"',
    )
    stack = Foreground(
        tmp_path,
        extra=ENVOY.format(port=ports[10], admin=ports[11]),
        changed=[envoy],
        llmgen=str(launcher),
    )
    stack.until(lambda: stack.get(ports[11], "/ready"))
    (own,) = temporary.glob("llmgen-up-*")
    for folder in (own, own / "runtime", own / "runtime" / "envoy"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    filled = own / "runtime" / "envoy" / "rds.yaml"
    assert holders(temporary) == [filled]
    monkeypatch.setenv("PLANTED", "sk-other-3141592653")
    assert stack.apart("keys") == {"written": [str(filled)]}
    assert holders(temporary) == []
    monkeypatch.setenv("PLANTED", "sk-planted-3141592653")
    assert stack.apart("keys") == {"written": [str(filled)]}
    stack.end(signal.SIGINT)
    assert list(temporary.glob("llmgen-up-*")) == []
    assert holders(temporary) == []
    # Nowhere is a key taken up, and none was: `nothing changed` would be read as done.
    stack.apart("keys", code=4)


def holders(folder):
    """Files below a folder in which the planted key stands."""
    files = (Path(at, name) for at, _, names in os.walk(folder) for name in names)
    return [path for path in files if path.is_file() and b"sk-planted" in path.read_bytes()]
