import shutil

import pytest
from fake_hub import FakeFile, FakeRepo
from gguf_writer import gguf, llama, write_gguf
from msgspec.structs import replace

from llmgen.errors import Severity
from llmgen.facts.hub import Hub
from llmgen.facts.lock import Lock, Measured, parse_lock, render_lock
from llmgen.facts.lock_models import LockOutcome, lock_models
from llmgen.facts.sources import Sources

HUB = "hf:org/repo:Q8_0"


def model(layers=2):
    metadata, tensors = llama(layers=layers)
    head = gguf(metadata, tensors)
    return FakeFile(head, len(head) + sum(item.size + 32 for item in tensors))


@pytest.fixture
def sources(tmp_path, hub):
    hub.repos["org/repo"] = FakeRepo({"m-Q8_0.gguf": model()}, commit="1" * 40)
    write_gguf(tmp_path / "a.gguf", *llama())
    return Sources(tmp_path, tmp_path, hub=Hub(hub.url))


def refusal(*arguments, **options):
    failed = lock_models(*arguments, **options).failed
    assert failed
    return failed


def test_every_reference_is_locked(sources):
    result = lock_models(["file:a.gguf", HUB, HUB], sources, Lock())
    assert result.steps == {"file:a.gguf": LockOutcome.ADDED, HUB: LockOutcome.ADDED}
    assert result.lock.entries[HUB].revision == "1" * 40
    assert parse_lock(render_lock(result.lock), "llm.lock") == result.lock


def test_second_run_changes_nothing(sources):
    first = lock_models(["file:a.gguf", HUB], sources, Lock()).lock
    again = lock_models(["file:a.gguf", HUB], sources, first)
    assert again.lock == first
    assert set(again.steps.values()) == {LockOutcome.KEPT}


def test_model_that_llm_toml_no_longer_names_is_removed(sources):
    first = lock_models(["file:a.gguf", HUB], sources, Lock()).lock
    result = lock_models([HUB], sources, first)
    assert result.steps == {HUB: LockOutcome.KEPT, "file:a.gguf": LockOutcome.REMOVED}


def test_local_file_that_changed_is_read_again(sources, tmp_path):
    first = lock_models(["file:a.gguf"], sources, Lock()).lock
    write_gguf(tmp_path / "a.gguf", *llama(layers=3))
    result = lock_models(["file:a.gguf"], sources, first)
    assert result.steps == {"file:a.gguf": LockOutcome.UPDATED}


def test_change_upstream_is_refused_unless_updated(sources, hub):
    first = lock_models([HUB], sources, Lock()).lock
    hub.repos["org/repo"].push({"m-Q8_0.gguf": model(layers=3)}, "2" * 40)
    (found,) = refusal([HUB], sources, first, keys={HUB: ("models", "m", "hf_repo")})
    assert found.code == "hub.changed"
    assert found.key == ("models", "m", "hf_repo")
    assert "--update" in found.hint
    result = lock_models([HUB], sources, first, update=True)
    assert result.lock.entries[HUB].revision == "2" * 40
    assert result.steps == {HUB: LockOutcome.UPDATED}


def test_commit_that_leaves_the_model_alone_keeps_the_pin(sources, hub):
    first = lock_models([HUB], sources, Lock()).lock
    same = hub.repos["org/repo"].files
    hub.repos["org/repo"].push({**same, "README.md": FakeFile(b"x", lfs=False)}, "2" * 40)
    assert lock_models([HUB], sources, first).lock == first


def test_locked_models_need_no_network(sources, hub):
    first = lock_models(["file:a.gguf", HUB], sources, Lock()).lock
    hub.status = 429
    result = lock_models(["file:a.gguf", HUB], sources, first)
    assert result.lock == first
    (note,) = result.notes
    assert note.severity is Severity.NOTE
    assert "kept" in note.message


def test_absent_file_keeps_what_is_locked(sources, tmp_path):
    first = lock_models(["file:a.gguf"], sources, Lock()).lock
    (tmp_path / "a.gguf").unlink()
    result = lock_models(["file:a.gguf"], sources, first)
    assert result.lock == first
    assert [note.code for note in result.notes] == ["facts.missing"]


def test_update_needs_the_hub(sources, hub):
    first = lock_models([HUB], sources, Lock()).lock
    hub.status = 429
    assert refusal([HUB], sources, first, update=True)[0].code == "hub.rate-limited"


def test_all_that_is_wrong_is_told_at_once(sources):
    found = refusal(["file:x.gguf", "file:y.gguf", "hf:org/none:Q8_0"], sources, Lock())
    assert [item.code for item in found] == ["facts.missing", "facts.missing", "hub.not-found"]


def test_measured_values_stay_with_the_same_file(sources, tmp_path):
    first = lock_models(["file:a.gguf"], sources, Lock()).lock
    measured = {"d": {"gpu0": Measured(1, 2, 3)}}
    known = Lock({"file:a.gguf": replace(first.entries["file:a.gguf"], measured=measured)})
    assert lock_models(["file:a.gguf"], sources, known).lock == known
    write_gguf(tmp_path / "a.gguf", *llama(layers=3))
    assert not lock_models(["file:a.gguf"], sources, known).lock.entries["file:a.gguf"].measured


def test_same_models_elsewhere_give_the_same_bytes(sources, tmp_path):
    first = lock_models(["file:a.gguf"], sources, Lock()).lock
    shutil.copytree(tmp_path, tmp_path / "moved")
    other = Sources(tmp_path / "moved", tmp_path, hub=sources.hub)
    assert render_lock(lock_models(["file:a.gguf"], other, Lock()).lock) == render_lock(first)
