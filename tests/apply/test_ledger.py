import json
from pathlib import PurePosixPath

import pytest

from llmgen.apply.changes import Owned, PathEntry
from llmgen.apply.ledger import FORMAT, ledger_text, merged, read_ledger
from llmgen.errors import InputError

STATE = PathEntry("ab" * 32, 0o644)
OWNED = Owned(frozenset({STATE}), "envoy")
VALUE = {"target": "envoy", "states": [{"sha256": STATE.digest, "mode": "0644"}]}


def written(tmp_path, **document):
    path = tmp_path / "ledger.json"
    path.write_text(json.dumps({"format": FORMAT, "files": {}} | document))
    return path


def test_ledger_reads_what_it_wrote(tmp_path):
    files = {
        PurePosixPath("z/ü"): OWNED,
        PurePosixPath("a"): Owned(frozenset({STATE, PathEntry("00" * 32, 0o755)}), "systemd"),
    }
    path = tmp_path / "ledger.json"
    path.write_bytes(ledger_text(files))
    assert read_ledger(path) == files


def test_ledger_is_sorted_text():
    one = ledger_text({PurePosixPath("b"): OWNED, PurePosixPath("a"): OWNED})
    assert one == ledger_text({PurePosixPath("a"): OWNED, PurePosixPath("b"): OWNED})
    assert one.endswith(b"}\n")


def test_no_ledger_lists_nothing(tmp_path):
    assert read_ledger(tmp_path / "ledger.json") == {}


def test_newer_format_is_refused_by_number(tmp_path):
    with pytest.raises(InputError, match=f"has format {FORMAT + 1}") as caught:
        read_ledger(written(tmp_path, format=FORMAT + 1))
    assert caught.value.diagnostics[0].code == "apply.newer-ledger"


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x", "a/../../x", "a/./b", "", "a//b", "a/", ".", "..", "a\0b"]
)
def test_paths_that_could_leave_the_folder_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="is no path below its folder"):
        read_ledger(written(tmp_path, files={name: VALUE}))


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"target": "x"},
        VALUE | {"target": 1},
        VALUE | {"states": [None]},
        VALUE | {"states": [{"sha256": "x", "mode": "0644"}]},
        VALUE | {"states": [{"sha256": STATE.digest, "mode": "99"}]},
        VALUE | {"states": [{"sha256": STATE.digest, "mode": 420}]},
    ],
)
def test_entries_that_say_nothing_are_refused(tmp_path, value):
    with pytest.raises(InputError) as caught:
        read_ledger(written(tmp_path, files={"a": value}))
    assert caught.value.diagnostics[0].code == "apply.bad-ledger"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": "1"}', "[" * 100_000]
)
def test_text_that_is_no_ledger_is_refused(tmp_path, text):
    path = tmp_path / "ledger.json"
    path.write_text(text)
    with pytest.raises(InputError, match="cannot be used as llmgen's ledger"):
        read_ledger(path)


def test_merging_keeps_every_state():
    other = PathEntry("cd" * 32, 0o644)
    path, new = PurePosixPath("a"), PurePosixPath("b")
    journal = {path: Owned(frozenset({other}), "envoy"), new: Owned(frozenset({other}), "x")}
    found = merged({path: OWNED}, journal)
    assert found == {path: Owned(frozenset({STATE, other}), "envoy"), new: journal[new]}
