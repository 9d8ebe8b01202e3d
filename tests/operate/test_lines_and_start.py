"""What enable, disable and logs ask a service manager for, and what they refuse."""

from pathlib import PurePosixPath
from types import SimpleNamespace

import pytest

from llmgen.errors import InputError
from llmgen.operate.installation.logs import refuse_times
from llmgen.operate.installation.steps import Lines
from llmgen.operate.managers.launchd import Launchd
from llmgen.operate.managers.systemd import Systemd

UNITS = [SimpleNamespace(name=name, path=PurePosixPath("/x", name)) for name in ("a", "b")]


def test_disable_stops_nothing():
    assert [*Systemd("system").by_hand(UNITS)] == [("systemctl", "disable", "a", "b")]
    assert [*Systemd("user").by_hand(UNITS)] == [("systemctl", "--user", "disable", "a", "b")]
    told = [*Launchd("user", 501).by_hand(UNITS)]
    assert told == [("launchctl", "disable", f"gui/501/{name}") for name in "ab"]


def test_enable_starts_nothing():
    assert [*Systemd("system").enable(UNITS)] == [("systemctl", "enable", "a", "b")]


@pytest.mark.parametrize(
    ("wanted", "more"),
    [
        (Lines(7), ("--lines=7", "--output=short-iso", "--no-pager")),
        (Lines(7, follow=True), ("--lines=7", "--output=short-iso", "--follow")),
        (
            Lines("all", since="1 hour ago", boot=True),
            ("--lines=all", "--output=short-iso", "--no-pager", "--since=1 hour ago", "--boot"),
        ),
    ],
)
def test_journal_is_asked_for_the_lines_that_are_wanted(wanted, more):
    words = Systemd("system").logs(["a.service"], wanted)
    assert words == ("journalctl", "--unit=a.service", *more)


def test_files_know_no_times():
    refuse_times(Lines(3))
    for wanted in (Lines(since="today"), Lines(boot=True)):
        with pytest.raises(InputError, match="do not say when"):
            refuse_times(wanted)
