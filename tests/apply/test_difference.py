import subprocess
from pathlib import PurePosixPath

from llmgen.apply.difference import difference
from llmgen.apply.write import apply_changes, plan_changes
from llmgen.artifacts import Artifact, Tree


def tree(**files):
    return Tree(Artifact(PurePosixPath(name), text, "t") for name, text in files.items())


def test_patch_accepts_the_diff(tmp_path):
    old = tree(a=b"one\ntwo\n", b=b"no newline", c=b"gone\n")
    new = tree(a=b"one\n\x0cthree\n", b=b"no newline\nmore", d=b"new\n")
    root = tmp_path / "out"
    apply_changes(plan_changes(old, root), root)
    text = difference(plan_changes(new, root), root)
    subprocess.run(["patch", "-p1", "-s"], cwd=root, input=text.encode(), check=True)
    assert {
        path.name: path.read_bytes() for path in root.iterdir() if path.name != ".llmgen.json"
    } == {item.path.name: item.content for item in new}


def test_nothing_to_do_is_no_diff(tmp_path):
    apply_changes(plan_changes(tree(a=b"x\n"), tmp_path), tmp_path)
    assert difference(plan_changes(tree(a=b"x\n"), tmp_path), tmp_path) == ""


def test_conflict_is_named_above_its_diff(tmp_path):
    (tmp_path / "a").write_text("mine\n")
    text = difference(plan_changes(tree(a=b"x\n"), tmp_path), tmp_path)
    assert text.startswith("conflict: a is in the way")
    assert "-mine\n+x\n" in text


def test_bytes_are_not_shown(tmp_path):
    text = difference(plan_changes(tree(a=b"\xff\x00"), tmp_path), tmp_path)
    assert text == "Binary files /dev/null and b/a differ\n"


def test_keys_that_were_written_into_a_generated_file_are_not_shown(tmp_path):
    made = tree(keys=b'A="@llmgen:a@"\n')
    apply_changes(plan_changes(made, tmp_path), tmp_path)
    (tmp_path / "keys").write_text('A="sk-secret"\n')
    text = difference(plan_changes(made, tmp_path), tmp_path)
    assert text.startswith("conflict: keys was changed")
    assert "sk-secret" not in text
