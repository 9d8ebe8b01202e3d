import errno
import json
import os
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import facts

from llmgen.errors import InputError
from llmgen.facts.gguf_facts import GgufFacts, ModelFile, TensorGroup
from llmgen.facts.layer_ranges import read_ranges, write_ranges
from llmgen.facts.lock import (
    Entry,
    Lock,
    Measured,
    parse_lock,
    read_lock,
    read_settled,
    render_lock,
    write_lock,
)

SHA = "ab" * 32
MEASURED = {"d1": {"gpu0": Measured(1, 2, 3), "host": Measured(0, 0, 7)}}


def example():
    hub = GgufFacts(
        "clip",
        {"a.float": 1e-06, "one": 1.0, "flag": True, "list": (1, 2), "name": "größe"},
        0,
        (TensorGroup("mm.0.weight", "q8_0", (64, 2), (), 136),),
        (ModelFile("org/repo/sub/a.gguf", 10**11, SHA),),
        SHA,
    )
    return Lock(
        {"file:small.gguf": Entry(facts()), "hf:org/repo:Q8_0": Entry(hub, "cd" * 20, MEASURED)}
    )


def document():
    return json.loads(render_lock(example()))


def refusal(text):
    with pytest.raises(InputError) as caught:
        parse_lock(text, "llm.lock")
    (found,) = caught.value.diagnostics
    assert "llm.lock" in found.message
    return found


def test_round_trip_is_equal_and_byte_identical():
    text = render_lock(example())
    again = parse_lock(text, "llm.lock")
    assert again == example()
    assert render_lock(again) == text


def test_order_of_the_models_does_not_matter():
    entries = dict(reversed(example().entries.items()))
    assert render_lock(Lock(entries)) == render_lock(example())


def test_a_group_of_tensors_is_one_line():
    text = render_lock(example())
    assert '\n        ["blk.#.ffn_up.weight", "f16", [256, 512], "0-3"]' in text
    assert text.endswith("}\n")


def test_newer_format_is_refused_by_name():
    found = refusal(json.dumps({**document(), "format": 2}))
    assert found.code == "lock.format"
    assert "format 2" in found.message
    assert "newer llmgen" in found.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1,",
        "\x00",
        '{"format": 1, "format": 1}',
        '{"format": NaN}',
        "[" * 10**5,
        "9" * 5000,
    ],
)
def test_text_that_is_no_json_is_refused(text):
    assert refusal(text).code == "lock.syntax"


@pytest.mark.parametrize("text", ["[]", "null", "3", "{}", '{"format": "1"}', '{"format": true}'])
def test_json_that_is_no_lock_is_refused(text):
    assert refusal(text).code == "lock.format"


HOSTILE = [
    (("models",), []),
    (("models", "file:small.gguf"), 3),
    (("surprise",), 1),
    (("models", "file:small.gguf", "surprise"), 1),
    (("models", "file:small.gguf", "architecture"), 3),
    (("models", "file:small.gguf", "vocabulary"), -1),
    (("models", "file:small.gguf", "vocabulary"), True),
    (("models", "file:small.gguf", "vocabulary"), 2**64),
    (("models", "file:small.gguf", "files"), []),
    (("models", "file:small.gguf", "files"), {}),
    (("models", "file:small.gguf", "files", 0, 1), -5),
    (("models", "file:small.gguf", "files", 0, 1), "5"),
    (("models", "file:small.gguf", "files", 0, 0), "a\nb"),
    (("models", "file:small.gguf", "files", 0), ["a", 1, "sha"]),
    (("models", "file:small.gguf", "files", 0), ["a"]),
    (("models", "file:small.gguf", "hyperparameters", "block_count"), None),
    (("models", "file:small.gguf", "hyperparameters", "block_count"), {}),
    (("models", "file:small.gguf", "hyperparameters", "block_count"), [[1]]),
    (("models", "file:small.gguf", "hyperparameters", "block_count"), 2**70),
    (("models", "file:small.gguf", "tensors", 0), ["a", "q9_9", [32]]),
    (("models", "file:small.gguf", "tensors", 0), ["a", "f16", [-32]]),
    (("models", "file:small.gguf", "tensors", 0), ["a", "f16", [2**62, 2**62]]),
    (("models", "file:small.gguf", "tensors", 0), ["a", "f16", []]),
    (("models", "file:small.gguf", "tensors", 0), ["a", "f16", [1.0]]),
    (("models", "file:small.gguf", "tensors", 0), ["a", "q8_0", [33]]),
    (("models", "file:small.gguf", "tensors", 0), ["a.#.b", "f16", [32]]),
    (("models", "file:small.gguf", "tensors", 0), ["a", "f16", [32], "0-3"]),
    (("models", "file:small.gguf", "tensors", 0), ["blk.#.b", "f16", [32], "3-0"]),
    (("models", "file:small.gguf", "tensors", 0), ["blk.#.b", "f16", [32], "0,0"]),
    (("models", "file:small.gguf", "tensors", 0), ["blk.#.b", "f16", [32], "0-99999999"]),
    (("models", "file:small.gguf", "tensors", 0), 7),
    (("models", "file:small.gguf", "header_sha256"), "x"),
    (("models", "hf:org/repo:Q8_0", "revision"), "main"),
    (("models", "hf:org/repo:Q8_0", "files", 0, 0), "../../etc/passwd"),
    (("models", "hf:org/repo:Q8_0", "files", 0, 0), "org/repo/../../../x"),
    (("models", "hf:org/repo:Q8_0", "files", 0, 0), "/org/repo/x"),
    (("models", "file:small.gguf", "files", 0, 0), "/etc/shadow"),
    (("models", "file:small.gguf", "files", 0, 0), "../../../etc/shadow"),
    (("models", "file:small.gguf", "files"), [["small.gguf", 5], ["/etc/shadow", 5]]),
    (("models", "hf:org/repo:Q8_0", "measured", "d1"), 3),
    (("models", "hf:org/repo:Q8_0", "measured", "d1", "gpu0"), [1, 2]),
    (("models", "hf:org/repo:Q8_0", "measured", "d1", "gpu0"), [1, 2, -3]),
]


@pytest.mark.parametrize(("path", "value"), HOSTILE)
def test_hostile_value_is_refused_by_its_place(path, value):
    lock = document()
    place = lock
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    found = refusal(json.dumps(lock))
    assert found.code == "lock.value"
    assert str(path[1] if len(path) > 1 else path[0]) in found.message


@pytest.mark.parametrize(
    "key", ["architecture", "files", "hyperparameters", "tensors", "vocabulary"]
)
def test_absent_key_is_named(key):
    lock = document()
    del lock["models"]["file:small.gguf"][key]
    assert f"`{key}`" in refusal(json.dumps(lock)).message


@given(st.data())
def test_damaged_lock_is_read_or_refused_without_a_traceback(data):
    text = render_lock(example())
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.sampled_from(["", "9", "-", '"', "[", "}", ",", "e9", "null", "\x00"]))
    with suppress(InputError):
        parse_lock(text[:at] + new + text[at + 1 :], "llm.lock")


@given(st.sets(st.integers(0, 9999)))
def test_layers_round_trip(layers):
    ordered = tuple(sorted(layers))
    assert not ordered or read_ranges(write_ranges(ordered)) == ordered


def test_layers_are_written_shortly():
    assert write_ranges((0, 1, 2, 5, 7, 8)) == "0-2,5,7-8"


def test_lock_on_disk_is_written_once(tmp_path):
    path = tmp_path / "llm.lock"
    assert read_lock(path) == Lock()
    assert write_lock(path, example())
    assert not write_lock(path, example())
    assert read_lock(path) == example()
    assert [item.name for item in tmp_path.iterdir()] == ["llm.lock"]


def test_lock_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(InputError) as caught:
        write_lock(tmp_path / "absent" / "llm.lock", example())
    assert caught.value.diagnostics[0].code == "lock.unwritable"


def test_full_disk_is_said_as_that(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError) as caught:
        write_lock(tmp_path / "llm.lock", example())
    (found,) = caught.value.diagnostics
    assert (str(tmp_path / "llm.lock") in found.message, "room" in found.hint) == (True, True)
    assert not list(tmp_path.iterdir())


def test_lock_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "llm.lock"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError) as caught:
        read_lock(path)
    assert caught.value.diagnostics[0].code == "lock.syntax"
    assert caught.value.diagnostics[0].hint


def test_files_of_this_machine_have_no_commit_to_download_them_by():
    # `pull` would write `org/name/../../x` where the entry says.
    changed = document()
    entry = changed["models"].pop("file:small.gguf") | {"revision": "cd" * 20}
    changed["models"]["file:org/name"] = entry | {"files": [["org/name/../../x", 1]]}
    assert "`models.file:org/name.revision`" in refusal(json.dumps(changed)).message


def test_lock_is_not_written_through_a_link(tmp_path):
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / ".llm.lock.new").symlink_to(other)
    assert write_lock(tmp_path / "llm.lock", example())
    assert other.read_text() == "mine"
    assert not (tmp_path / "llm.lock").is_symlink()


# What llm.toml names, and the files that a lock may give it.
FILES = [
    ("file:a.gguf", ["a.gguf"]),
    ("file:/data/a.gguf", ["/data/a.gguf"]),
    ("file:../a.gguf", ["../a.gguf"]),
    ("file:a-00001-of-00002.gguf", ["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"]),
    ("ollama:qwen3:8b", [f"~/.ollama/models/blobs/sha256-{SHA}"]),
    ("ollama:qwen3:8b", [f"/var/lib/ollama/models/blobs/sha256-{SHA}"]),
    ("lmstudio:org/repo/a.gguf", ["~/.lmstudio/models/org/repo/a.gguf"]),
]
FOREIGN = [
    ("file:a.gguf", ["b.gguf"]),
    ("file:a-00001-of-00002.gguf", ["a-00001-of-00002.gguf", "/etc/shadow"]),
    ("file:a-00001-of-00002.gguf", ["a-00001-of-00002.gguf", "a-00003-of-00002.gguf"]),
    ("ollama:qwen3:8b", ["/etc/shadow"]),
    ("ollama:qwen3:8b", [f"/evil/../blobs/sha256-{SHA}"]),
    ("ollama:qwen3:8b", [f"blobs/sha256-{SHA}"]),
    ("ollama:qwen3:8b", [f"~/.ollama/models/blobs/sha256-{'cd' * 32}"]),
    ("lmstudio:org/repo/a.gguf", ["/etc/shadow"]),
    ("lmstudio:org/repo/a.gguf", ["/x/../org/repo/a.gguf"]),
    ("lmstudio:org/repo/a.gguf", ["org/repo/a.gguf"]),
    ("ftp:a.gguf", ["a.gguf"]),
]


def with_files(ref, names):
    files = tuple(ModelFile(name, 5, SHA) for name in names)
    return render_lock(Lock({ref: Entry(msgspec.structs.replace(facts(), files=files))}))


@pytest.mark.parametrize(("ref", "names"), FILES)
def test_a_lock_names_the_files_that_llm_toml_leads_to(ref, names):
    (entry,) = parse_lock(with_files(ref, names), "llm.lock").entries.values()
    assert [file.name for file in entry.facts.files] == names


@pytest.mark.parametrize(("ref", "names"), FOREIGN)
def test_a_lock_never_decides_which_file_a_server_opens(ref, names):
    found = refusal(with_files(ref, names))
    assert found.code == "lock.value"
    assert f"models.{ref}.files." in found.message


def conflict(*, ancestor=""):
    """Both sides have `small.gguf`; one adds `ours`, the other `theirs`; `disputed` differs."""

    def one(name, size):
        files = (ModelFile(f"{name}.gguf", size),)
        entries = {
            "file:small.gguf": Entry(facts()),
            f"file:{name}.gguf": Entry(msgspec.structs.replace(facts(), files=files)),
            "file:z.gguf": Entry(
                msgspec.structs.replace(facts(), files=(ModelFile("z.gguf", size),))
            ),
        }
        return render_lock(Lock(entries))

    ours, theirs = one("ours", 1), one("theirs", 2)
    return f"<<<<<<< HEAD\n{ours}{ancestor}=======\n{theirs}>>>>>>> branch\n"


def test_a_merge_conflict_is_named_as_one():
    found = refusal(conflict())
    assert found.code == "lock.conflict"
    assert "line 1" in found.message
    assert "`llmgen lock`" in found.hint


@pytest.mark.parametrize("ancestor", ["", '||||||| base\n{"format": 1, "models": {}}\n'])
def test_lock_starts_from_what_nobody_disputes(tmp_path, ancestor):
    (tmp_path / "llm.lock").write_text(conflict(ancestor=ancestor))
    assert {*read_settled(tmp_path / "llm.lock").entries} == {
        "file:small.gguf",
        "file:ours.gguf",
        "file:theirs.gguf",
    }
