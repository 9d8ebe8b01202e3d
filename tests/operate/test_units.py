from pathlib import PurePosixPath

import pytest

from llmgen.apply.changes import Action, Change
from llmgen.artifacts import Artifact
from llmgen.operate.installation.units import impact, units

FOLDER = PurePosixPath("/etc/systemd/system")
INSTALLED = (
    "[Unit]\n[Service]\nExecStart=/bin/x -config /etc/llmgen/x.yaml\n\n[Install]\nWantedBy=a\n"
)


def artifact(path, text=INSTALLED):
    path = PurePosixPath(path)
    return Artifact(PurePosixPath(path.name), text.encode(), "systemd", install=path)


def change(action, path):
    return Change(action, PurePosixPath(path.lstrip("/")))


X, Y = (
    artifact(FOLDER / "x.service"),
    artifact(FOLDER / "y.service", "[Unit]\n\n[Install]\nWantedBy=a\n"),
)


def names(found):
    return {
        key: [unit.name for unit in getattr(found, key)]
        for key in ("created", "changed", "touched")
    } | {"gone": [*found.gone]}


def of(*decided, pending=()):
    return names(impact(decided, units([X, Y], FOLDER), FOLDER, pending))


NONE = {"created": [], "changed": [], "touched": [], "gone": []}


def test_only_files_in_the_managers_folder_are_units():
    stray = artifact("/etc/llmgen/z.service")
    assert [*units([X, stray, artifact(FOLDER / "readme.txt")], FOLDER)] == ["x.service"]


def test_nothing_changed_affects_nothing():
    assert of(change(Action.KEEP, f"{FOLDER}/x.service")) == NONE


def test_rewritten_unit_is_changed_and_its_neighbour_is_not():
    assert of(change(Action.UPDATE, f"{FOLDER}/x.service")) == NONE | {"changed": ["x.service"]}


def test_unit_that_reads_a_changed_file_is_touched():
    assert of(change(Action.UPDATE, "/etc/llmgen/x.yaml")) == NONE | {"touched": ["x.service"]}


def test_file_that_is_only_checked_before_the_start_touches_nothing():
    text = INSTALLED.replace("ExecStart=", "ExecStartPre=/bin/envoy --mode validate -c ")
    (unit,) = units([artifact(FOLDER / "x.service", text)], FOLDER).values()
    assert not unit.uses(PurePosixPath("/etc/llmgen/x.yaml"))


def test_file_that_no_unit_names_touches_none():
    assert of(change(Action.UPDATE, "/etc/llmgen/envoy/routes.yaml")) == NONE


def test_drop_in_changes_its_unit():
    assert of(change(Action.CREATE, f"{FOLDER}/y.service.d/memory.conf")) == NONE | {
        "changed": ["y.service"]
    }


def test_deleted_unit_is_gone():
    assert of(change(Action.DELETE, f"{FOLDER}/old.service")) == NONE | {"gone": ["old.service"]}


def test_pending_unit_counts_as_changed():
    assert of(pending=["y.service"]) == NONE | {"changed": ["y.service"]}


@pytest.mark.parametrize(
    ("name", "text", "starts"),
    [
        ("a.service", INSTALLED, True),
        ("a.timer", INSTALLED, True),
        ("a.service", "[Service]\nExecStart=/bin/x\n", False),
        ("a@.service", INSTALLED, False),
    ],
)
def test_what_up_starts(name, text, starts):
    (unit,) = units([artifact(FOLDER / name, text)], FOLDER).values()
    assert unit.starts is starts


def test_agents_are_called_by_their_label():
    folder = PurePosixPath("/Library/LaunchDaemons")
    text = '<plist version="1.0"><dict><key>Label</key><string>a.b</string></dict></plist>'
    assert [*units([artifact(folder / "other.plist", text)], folder)] == ["a.b"]
