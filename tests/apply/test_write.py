import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

import pytest

from llmgen.apply.changes import Action
from llmgen.apply.write import LEDGER, apply_changes, plan_changes
from llmgen.artifacts import Artifact, Tree
from llmgen.errors import InputError, OwnershipError
from llmgen.render.header import OWNER


def tree(files, target="t", mode=0o644):
    return Tree(
        Artifact(PurePosixPath(name), text.encode(), target, mode) for name, text in files.items()
    )


def write(root, files, **ways):
    changes = plan_changes(tree(files), root, **ways)
    apply_changes(changes, root)
    return {str(item.path): item.action for item in changes}


def texts(root):
    return {
        str(path.relative_to(root)): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != LEDGER
    }


def test_tree_is_written_and_kept(tmp_path):
    assert write(tmp_path, {"a": "1", "b/c": "2"}) == {"a": Action.CREATE, "b/c": Action.CREATE}
    assert texts(tmp_path) == {"a": "1", "b/c": "2"}
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert write(tmp_path, {"a": "1", "b/c": "2"}) == {"a": Action.KEEP, "b/c": Action.KEEP}
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


def test_stale_file_goes_with_its_empty_folder(tmp_path):
    write(tmp_path, {"a": "1", "b/c/d": "2"})
    assert write(tmp_path, {"a": "1"}) == {"a": Action.KEEP, "b/c/d": Action.DELETE}
    assert not (tmp_path / "b").exists()


def test_stale_folder_with_a_foreign_file_stays(tmp_path):
    write(tmp_path, {"b/c": "2"})
    (tmp_path / "b" / "mine").write_text("x")
    write(tmp_path, {"a": "1"})
    assert texts(tmp_path) == {"a": "1", "b/mine": "x"}


def test_foreign_file_is_a_conflict_and_nothing_is_written(tmp_path):
    (tmp_path / "a").write_text("mine")
    (tmp_path / "c").mkdir()
    with pytest.raises(OwnershipError) as caught:
        write(tmp_path, {"a": "1", "b": "2", "c": "3"})
    assert [item.message.split("`")[1] for item in caught.value.diagnostics] == [
        str(tmp_path / "a"),
        str(tmp_path / "c"),
    ]
    assert texts(tmp_path) == {"a": "mine"}
    assert not (tmp_path / LEDGER).exists()


def test_edited_file_is_a_conflict(tmp_path):
    write(tmp_path, {"a": "1"})
    (tmp_path / "a").write_text("edited")
    with pytest.raises(OwnershipError, match="was changed since llmgen wrote it"):
        write(tmp_path, {"a": "2"})
    with pytest.raises(OwnershipError, match="no longer rendered"):
        write(tmp_path, {})
    assert texts(tmp_path) == {"a": "edited"}


def test_equal_file_is_adopted(tmp_path):
    (tmp_path / "a").write_text("1")
    assert write(tmp_path, {"a": "1"}) == {"a": Action.ADOPT}
    assert write(tmp_path, {"a": "2"}) == {"a": Action.UPDATE}


def test_overwrite_names_paths_below_the_folder_or_with_it(tmp_path):
    for name in ("a", str(tmp_path / "a")):
        (tmp_path / "a").write_text("mine")
        write(tmp_path, {"a": "1"}, overwrite=(name,))
        assert texts(tmp_path) == {"a": "1"}


def test_overwriting_a_symlink_leaves_its_target_alone(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "a").symlink_to("precious")
    write(tmp_path, {"a": "1"}, overwrite=("a",))
    assert not (tmp_path / "a").is_symlink()
    assert texts(tmp_path) == {"a": "1", "precious": "mine"}


def test_backup_keeps_every_file_that_gave_way(tmp_path):
    (tmp_path / "a").write_text("mine")
    write(tmp_path, {"a": "1"}, backup=True)
    (tmp_path / "a").write_text("edited")
    write(tmp_path, {}, backup=True)
    assert texts(tmp_path) == {"a.before-llmgen": "mine", "a.before-llmgen.2": "edited"}


def test_lost_ledger_is_mended_by_adopt(tmp_path):
    write(tmp_path, {"a": f"# {OWNER}\n1"})
    (tmp_path / LEDGER).unlink()
    with pytest.raises(OwnershipError):
        write(tmp_path, {"a": f"# {OWNER}\n2"})
    assert write(tmp_path, {"a": f"# {OWNER}\n2"}, adopt=True) == {"a": Action.UPDATE}


def test_one_target_leaves_the_others_alone(tmp_path):
    both = Tree([*tree({"a": "1"}, "x"), *tree({"b": "1"}, "y")])
    apply_changes(plan_changes(both, tmp_path), tmp_path)
    apply_changes(plan_changes(tree({"a2": "2"}, "x"), tmp_path, only_targets=["x"]), tmp_path)
    assert texts(tmp_path) == {"a2": "2", "b": "1"}
    assert list(json.loads((tmp_path / LEDGER).read_text())["files"]) == ["a2", "b"]


def test_file_restored_to_what_is_wanted_is_ours_again(tmp_path):
    write(tmp_path, {"a": "1"})
    (tmp_path / "a").write_text("2")
    write(tmp_path, {"a": "2"})
    assert write(tmp_path, {"a": "3"}) == {"a": Action.UPDATE}


def test_change_between_plan_and_apply_is_refused(tmp_path):
    changes = plan_changes(tree({"a": "1"}), tmp_path)
    (tmp_path / "a").write_text("quick")
    with pytest.raises(OwnershipError, match="changed while llmgen was deciding"):
        apply_changes(changes, tmp_path)
    assert texts(tmp_path) == {"a": "quick"}


def test_symlinked_folder_is_not_written_through(tmp_path):
    outside, root = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    root.mkdir()
    (root / "d").symlink_to(outside)
    with pytest.raises(OwnershipError, match="`d` is a symlink"):
        write(root, {"d/a": "1"})
    assert not list(outside.iterdir())


def test_a_linked_root_is_refused_as_a_linked_folder_below_it_is(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "outside")
    with pytest.raises(OwnershipError, match="out` is a symlink") as caught:
        write(tmp_path / "out", {"a": "1"})
    assert f"-o {tmp_path}/outside" in caught.value.diagnostics[0].hint
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path, umask):
    old = os.umask(umask)
    try:
        changes = plan_changes(tree({"d/a": "1"}, mode=0o755), tmp_path / "out")
        apply_changes(changes, tmp_path / "out")
    finally:
        os.umask(old)
    modes = [(tmp_path / "out" / name).stat().st_mode & 0o777 for name in ("d/a", "d", LEDGER)]
    assert modes == [0o755, 0o755, 0o644]


def test_file_in_the_folders_place_is_named(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="is not a folder"):
        write(tmp_path / "out", {"a": "1"})


def test_hostile_ledger_deletes_nothing(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("")
    root = tmp_path / "out"
    write(root, {"a": "1"})
    ledger = (root / LEDGER).read_text().replace('"a"', '"../victim"')
    (root / LEDGER).write_text(ledger)
    with pytest.raises(InputError, match="no path below its folder"):
        write(root, {})
    assert victim.exists()


UNPRIVILEGED = """
import os, sys
from pathlib import Path, PurePosixPath
from llmgen.apply.write import plan_changes, apply_changes
from llmgen.artifacts import Artifact, Tree
from llmgen.errors import InputError
os.setgroups([]); os.setgid(65534); os.setuid(65534)
root = Path(sys.argv[1])
tree = Tree([Artifact(PurePosixPath(p), b"2", "t") for p in ("a", "open/b")])
try:
    apply_changes(plan_changes(tree, root), root)
except InputError as error:
    print(error.diagnostics[0].code, error.diagnostics[0].message)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become nobody")
def test_unwritable_folder_is_named_before_anything_is_written():
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "open").mkdir()
        (root / "open").chmod(0o777)
        run = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED, name], capture_output=True, text=True, check=True
        )
        assert run.stdout.startswith(f"apply.unwritable `{root}` cannot be written")
        assert not list((root / "open").iterdir())


def test_hint_of_a_conflict_names_what_settles_it(tmp_path):
    signed, plain = f"# {OWNER}\n1", "{}"
    (tmp_path / "signed").write_text(signed)
    (tmp_path / "plain.json").write_text(plain)
    wanted = {"signed": "2", "plain.json": "3"}
    with pytest.raises(OwnershipError) as caught:
        write(tmp_path, wanted)
    hints = {item.message.split("`")[1]: item.hint for item in caught.value.diagnostics}
    assert "`--adopt`" in hints[str(tmp_path / "signed")]
    assert "--adopt" not in hints[str(tmp_path / "plain.json")]
    with pytest.raises(OwnershipError, match="plain"):
        write(tmp_path, wanted, adopt=True)
    assert write(tmp_path, wanted, adopt=True, backup=True) == dict.fromkeys(wanted, Action.UPDATE)
