"""The ten rows of the decision table, and the three ways out of a conflict."""

from pathlib import PurePosixPath

import pytest

from llmgen.apply.changes import NO_WAYS, Action, Owned, PathEntry, PathKind, Ways, changes, entry
from llmgen.artifacts import Artifact

PATH = PurePosixPath("a/b.conf")
WANTED = Artifact(PATH, b"wanted\n", "llama-server")
WANT = entry(WANTED)
OLD = PathEntry("0" * 64, 0o644)
OTHER = PathEntry("1" * 64, 0o644)


def decide(wanted, ours, now, ways=NO_WAYS):
    found = [
        *changes(
            {PATH: WANTED} if wanted else {},
            {PATH: Owned(frozenset(ours), "llama-server")} if ours is not None else {},
            {PATH: now} if now is not None else {},
            ways,
        )
    ]
    return found[0].action if found else None


@pytest.mark.parametrize(
    ("wanted", "ours", "now", "action"),
    [
        (True, None, None, Action.CREATE),
        (True, [OLD], None, Action.CREATE),
        (True, None, WANT, Action.ADOPT),
        (True, [OLD], WANT, Action.KEEP),
        (True, [OLD], OLD, Action.UPDATE),
        (True, None, OTHER, Action.CONFLICT),
        (True, [OLD], OTHER, Action.CONFLICT),
        (False, [OLD], OLD, Action.DELETE),
        (False, [OLD], OTHER, Action.CONFLICT),
        (False, [OLD], None, Action.FORGET),
        (False, None, OTHER, None),
    ],
)
def test_table(wanted, ours, now, action):
    assert decide(wanted, ours, now) is action


def test_both_states_of_a_journal_are_ours():
    assert decide(True, [OLD, OTHER], OLD) is Action.UPDATE
    assert decide(True, [OLD, OTHER], OTHER) is Action.UPDATE


def test_changed_mode_is_an_edit():
    assert decide(True, [OLD], PathEntry(OLD.digest, 0o755)) is Action.CONFLICT


def test_wanted_mode_alone_is_an_update():
    assert (
        decide(True, [PathEntry(WANT.digest, 0o755)], PathEntry(WANT.digest, 0o755))
        is Action.UPDATE
    )


@pytest.mark.parametrize("kind", [kind for kind in PathKind if kind is not PathKind.FILE])
def test_what_is_no_file_is_a_conflict(kind):
    assert decide(True, [OLD], PathEntry("", 0, kind)) is Action.CONFLICT
    assert decide(False, [OLD], PathEntry("", 0, kind)) is Action.CONFLICT


def test_adopt_takes_signed_files_only():
    signed = PathEntry(OTHER.digest, 0o644, signed=True)
    assert decide(True, None, signed, Ways(adopt=True)) is Action.UPDATE
    assert decide(True, None, OTHER, Ways(adopt=True)) is Action.CONFLICT


def test_adopt_does_not_take_what_was_edited():
    signed = PathEntry(OTHER.digest, 0o644, signed=True)
    assert decide(True, [OLD], signed, Ways(adopt=True)) is Action.CONFLICT


def test_overwrite_takes_the_named_path_only():
    assert decide(True, None, OTHER, Ways(overwrite=frozenset({PATH}))) is Action.UPDATE
    other = frozenset({PurePosixPath("a/c.conf")})
    assert decide(True, None, OTHER, Ways(overwrite=other)) is Action.CONFLICT


@pytest.mark.parametrize("kind", [PathKind.DIRECTORY, PathKind.BLOCKED])
def test_no_way_out_replaces_a_folder(kind):
    ways = Ways(adopt=True, overwrite=frozenset({PATH}), backup=True)
    assert decide(True, None, PathEntry("", 0, kind), ways) is Action.CONFLICT


def test_backup_applies_to_conflicts_only():
    conflict = {PATH: OTHER}
    (found,) = changes({PATH: WANTED}, {}, conflict, Ways(backup=True))
    assert (found.action, found.backup) == (Action.UPDATE, True)
    (found,) = changes(
        {PATH: WANTED}, {PATH: Owned(frozenset({OTHER}))}, conflict, Ways(backup=True)
    )
    assert (found.action, found.backup) == (Action.UPDATE, False)
