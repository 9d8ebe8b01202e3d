"""`llmgen sync` as a person meets it: what it says, and what it leaves alone."""

import json
import os
import tomllib

import pytest
from gguf_writer import llama, write_split

from llmgen.apply import write as applying
from llmgen.apply.files import locked
from llmgen.cli import writing
from llmgen.config.source import parse
from llmgen.facts import lock as locking
from llmgen.facts.local import read_model
from llmgen.facts.lock import Entry, Lock, write_lock
from llmgen.sync import stores
from llmgen.sync.marks import marked


def models(machine):
    return tomllib.loads(machine.text).get("models", {})


def test_models_of_every_store_are_added_once_and_nothing_else_changes(machine):
    before = machine.text
    machine.write(machine.models / "Chat-Q4_K_M.gguf")
    machine.write(machine.models / "sub/mmproj.gguf", "projector")
    machine.write(machine.models / "sub/seeing.gguf", context=8192)
    machine.write(machine.models / "lora.gguf", "adapter")
    machine.write(machine.disk / "embed.gguf", "embedding")
    machine.write(machine.lm_studio / "org/repo/rank.gguf", "rerank")
    os.link(machine.models / "Chat-Q4_K_M.gguf", machine.lm_studio / "org/repo/linked.gguf")
    machine.pull("qwen3:8b", context=2048)
    assert {state for state, _ in machine.sync()} == {"added"}
    assert machine.text.startswith(before)
    assert models(machine) == {
        "chat-q4_k_m": {"model": "Chat-Q4_K_M.gguf", "ctx_size": "1K"},
        "embed": {
            "model": "~/disk/embed.gguf",
            "role": "embedding",
            "ctx_size": "1K",
            "keep": "on_demand",
        },
        "qwen3:8b": {"ollama": "qwen3:8b", "ctx_size": "1K"},
        "rank": {"lm_studio": "org/repo/rank.gguf", "role": "rerank", "ctx_size": "1K"},
        "seeing": {
            "model": "sub/seeing.gguf",
            "mmproj": "sub/mmproj.gguf",
            "role": "vision",
            "ctx_size": "1K",
        },
    }
    assert (machine.folder / "generated/llama-swap/config.yaml").is_file()
    assert machine.run("generate", "--check")["data"]["changes"] == []
    text = machine.text
    assert machine.sync() == {}
    assert machine.text == text


def test_dry_run_says_it_and_writes_nothing(machine):
    machine.write(machine.models / "a.gguf")
    before = machine.text
    assert ("added", "a") in machine.sync("--dry-run")
    assert machine.text == before
    assert [path.name for path in machine.folder.iterdir() if path.name != "README"] == ["llm.toml"]


def test_another_template_and_context_of_a_file_are_told(machine):
    template = "tokenizer.chat_template"
    machine.write(machine.models / "a.gguf", more={template: "old"})
    machine.sync()
    machine.write(machine.models / "a.gguf", more={template: "new"}, context=8192)
    (told,) = machine.sync().values()
    assert told[0] == "trained context 4096 → 8192"
    assert "another chat template" in told


def test_removed_file_takes_its_table_with_it(machine):
    machine.write(machine.models / "a.gguf")
    before = machine.text
    machine.sync()
    (machine.models / "a.gguf").unlink()
    assert machine.sync() == {("removed", "a"): ["its file is gone"]}
    assert machine.text == before


def test_nothing_is_removed_where_the_rules_say_so(machine):
    machine.edit("settle = 0", "settle = 0\nremove = false")
    machine.write(machine.models / "a.gguf")
    machine.sync()
    (machine.models / "a.gguf").unlink()
    assert ("kept", "a") in machine.sync()
    assert "a" in models(machine)


def test_models_of_a_disk_that_is_not_mounted_stay(machine):
    machine.write(machine.disk / "a.gguf")
    machine.sync()
    away = machine.disk.rename(machine.home / "away")
    assert ("kept", "a") in machine.sync()
    machine.disk.mkdir()
    assert ("kept", "a") in machine.sync()
    machine.disk.rmdir()
    away.rename(machine.disk)
    assert machine.sync() == {}


def test_model_that_a_person_names_elsewhere_stays(machine):
    machine.write(machine.models / "a.gguf")
    machine.sync()
    machine.edit("[sync]", '[plan]\ntogether = [["a"]]\n\n[sync]')
    (machine.models / "a.gguf").unlink()
    assert machine.sync() == {("kept", "a"): ["`plan.together.0.0` names it"]}


def test_half_written_file_is_left_and_what_it_was_before_stays(machine):
    whole = machine.half(machine.models / "new.gguf")
    machine.write(machine.models / "old.gguf")
    told = machine.sync()
    assert told["left", "new.gguf"][0].startswith("`new.gguf` ")
    machine.half(machine.models / "old.gguf", context=8192)
    (machine.models / "new.gguf").write_bytes(whole)
    assert {key[0] for key in machine.sync()} == {"added", "kept"}
    assert {*models(machine)} == {"new", "old"}


def test_file_that_changed_a_moment_ago_is_left(machine):
    machine.edit("settle = 0", 'settle = "1h"')
    path = machine.write(machine.models / "a.gguf")
    assert machine.sync() == {("left", "a.gguf"): ["it is still being written"]}
    os.utime(path, (1, 1))
    (machine.models / "a.gguf.aria2").touch()
    assert machine.sync() == {("left", "a.gguf"): ["its download is not finished"]}
    (machine.models / "a.gguf.aria2").unlink()
    assert ("added", "a") in machine.sync()


def test_edited_table_is_a_persons_also_when_its_file_goes(machine):
    machine.write(machine.models / "a.gguf")
    machine.sync()
    machine.edit('"a.gguf"\nctx_size = "1K"\n', '"a.gguf"\n# Mine now.\nenable = false\n')
    assert ("yours", "a") in machine.sync()
    text = machine.text
    assert "# Mine now.\nenable = false\n" in text
    assert "llmgen sync" not in text
    (machine.models / "a.gguf").unlink()
    assert machine.sync() == {}
    assert machine.text == text


def test_other_rules_are_told_and_change_only_what_is_syncs(machine):
    machine.write(machine.models / "a.gguf")
    machine.write(machine.models / "b.gguf", context=8192)
    machine.sync()
    machine.edit('ctx_size = "1K"\n\n[sync.', 'ctx_size = "2K"\n\n[sync.')
    assert machine.sync() == {("changed", "a"): ["`ctx_size`"], ("changed", "b"): ["`ctx_size`"]}
    machine.edit("[sync]", '[sync]\nexclude = ["b*"]')
    assert machine.sync() == {("removed", "b"): ["[sync] does not take it in any longer"]}


def test_model_that_does_not_fit_is_left_out_and_the_hint_silences_it(machine):
    machine.write(machine.models / "a.gguf")
    machine.write(machine.models / "huge.gguf", "huge")
    found = machine.run("sync", code=5)
    (said,) = (item for item in found["diagnostics"] if item["code"] == "sync.no-room")
    assert said["message"].startswith("`huge` is left out: `huge` needs ")
    assert {*models(machine)} == {"a"}
    rule = said["hint"].split("`")[1]
    machine.edit("[sync]", f"[sync]\n{rule}")
    assert machine.sync() == {}


def test_plan_that_a_person_has_overfilled_changes_nothing(machine):
    machine.write(machine.models / "huge.gguf", "huge")
    machine.write(machine.models / "a.gguf")
    machine.edit("[sync]", '[models.mine]\nmodel = "huge.gguf"\n\n[sync]')
    before = machine.text
    found = machine.run("sync", code=5)
    assert found["diagnostics"][0]["message"].startswith("`mine` needs ")
    assert machine.text == before
    assert not (machine.folder / "llm.lock").exists()


def test_what_pull_downloaded_is_of_the_model_of_the_hub(machine):
    path = machine.write(machine.models / "org/repo/a.gguf")
    machine.edit("[sync]", '[models.mine]\nhf_repo = "org/repo"\nhf_file = "a.gguf"\n\n[sync]')
    known = read_model(path, "org/repo/a.gguf")
    entry = Entry(known, "0" * 40)
    write_lock(machine.folder / "llm.lock", Lock({"hf:org/repo:a.gguf": entry}))
    assert machine.sync() == {}
    assert {*models(machine)} == {"mine"}


def test_only_one_sync_at_a_time(machine):
    with locked(machine.folder):
        found = machine.run("sync", code=4)
    assert found["diagnostics"][0]["code"] == "sync.busy"


def test_llm_toml_without_rules_is_refused(machine):
    machine.toml.write_text(machine.text[: machine.text.index("[sync]")])
    found = machine.run("sync", code=3)
    assert found["diagnostics"][0]["code"] == "sync.no-rules"
    machine.toml.write_text(machine.text + "[sync]\nsettle = 0\n")
    machine.write(machine.models / "a.gguf")
    assert ("added", "a") in machine.sync()


def test_llm_toml_that_is_saved_meanwhile_is_not_overwritten(machine, monkeypatch):
    machine.write(machine.models / "a.gguf")

    def look(*words, **keys):
        machine.toml.write_text(machine.text + "# Saved by an editor.\n")
        return kept(*words, **keys)

    kept = stores.look
    monkeypatch.setattr(stores, "look", look)
    found = machine.run("sync", code=4)
    assert found["diagnostics"][0]["code"] == "sync.edited"
    assert "llmgen sync" not in machine.text
    assert machine.text.endswith("# Saved by an editor.\n")


@pytest.mark.parametrize("step", ["write_lock", "edit_config", "second lock", "apply_changes"])
def test_run_cut_short_leaves_what_can_be_read_and_the_next_one_ends_it(machine, monkeypatch, step):
    machine.write(machine.models / "a.gguf")
    machine.write(machine.models / "b.gguf", context=8192)
    machine.sync()
    (machine.models / "a.gguf").unlink()
    machine.write(machine.models / "c.gguf", context=2048)
    place, name = {
        "write_lock": (locking, "write_lock"),
        "edit_config": (writing, "edit_config"),
        "second lock": (locking, "write_lock"),
        "apply_changes": (applying, "apply_changes"),
    }[step]
    calls, real = [], getattr(place, name)

    def cut(*words):
        calls.append(words)
        if len(calls) == (2 if step == "second lock" else 1):
            raise KeyboardInterrupt
        return real(*words)

    with monkeypatch.context() as patch:
        patch.setattr(place, name, cut)
        with pytest.raises(AssertionError):
            machine.sync()
    assert calls
    assert machine.run("check")["data"] is not None
    machine.sync()
    assert {*models(machine)} == {"b", "c"}
    assert machine.run("generate", "--check")["data"]["changes"] == []


def test_link_to_llm_toml_stays_one(machine):
    machine.toml.rename(machine.folder / "mine.toml")
    machine.toml.symlink_to("mine.toml")
    machine.write(machine.models / "a.gguf")
    machine.sync()
    assert machine.toml.is_symlink()
    assert {*marked(parse("mine.toml", machine.text))} == {"a"}


def test_removed_by_hand_it_comes_again_unless_the_rules_leave_it_out(machine):
    machine.write(machine.models / "A-Q4.gguf")
    machine.sync()
    (note,) = machine.run("models", "rm", "a-q4")["diagnostics"]
    assert "llmgen sync" not in machine.text
    machine.sync("--dry-run")
    rule = note["hint"].split("`")[1]
    machine.edit("[sync]", f"[sync]\n{rule}")
    assert machine.sync() == {}


def test_split_model_waits_for_all_of_its_parts(machine):
    metadata, tensors = llama(layers=1, vocabulary_size=300)
    parts = write_split(machine.models, "big", metadata, [tensors[:3], tensors[3:]])
    whole = parts[1].read_bytes()
    parts[1].unlink()
    assert {*machine.sync()} == {("left", "big-00001-of-00002.gguf")}
    parts[1].write_bytes(whole)
    assert machine.sync() == {("added", "big"): ["chat"]}


def test_names_that_nobody_would_choose(machine):
    machine.write(machine.models / "a[1] 'q' \"q\" é.gguf")
    machine.write(machine.models / "two\nlines.gguf", context=8192)
    bytes_alone = os.fsencode(machine.models) + b"/\xff.gguf"
    os.rename(machine.write(machine.models / "x.gguf", context=2048), bytes_alone)
    told = machine.sync()
    assert [key[0] for key in told] == ["added", "left", "left"]
    assert told["added", "a-1-q-q"] == ["chat"]
    (note,) = machine.run("models", "rm", "a-1-q-q")["diagnostics"]
    machine.edit("[sync]", f"[sync]\n{note['hint'].split('`')[1]}")
    assert {state for state, _ in machine.sync()} == {"left"}


def test_store_of_ollama_with_other_kinds_and_other_registries(machine):
    machine.pull("qwen3:8b")
    blob = json.loads(machine.manifest("qwen3:8b").read_text())
    hub = machine.ollama / "manifests/hf.co/org/Repo-GGUF/Q4_K_M"
    hub.parent.mkdir(parents=True)
    machine.pull("other:1b", context=2048)
    machine.manifest("other:1b").rename(hub)
    (machine.ollama / "manifests/registry.ollama.ai/.DS_Store").write_bytes(b"x")
    blob["layers"][0]["mediaType"] = "application/vnd.ollama.image.tensor"
    for name, text in (("remote:cloud", '{"layers": []}'), ("tensors:1b", json.dumps(blob))):
        machine.manifest(name).parent.mkdir(parents=True, exist_ok=True)
        machine.manifest(name).write_text(text)
    (machine.ollama / "blobs/sha256-x-partial").write_bytes(b"GGUF")
    machine.sync()
    assert models(machine) == {
        "hf.co/org/Repo-GGUF:Q4_K_M": {"ollama": "hf.co/org/Repo-GGUF:Q4_K_M", "ctx_size": "1K"},
        "qwen3:8b": {"ollama": "qwen3:8b", "ctx_size": "1K"},
    }
    hub.unlink()
    assert {*machine.sync()} == {("removed", "hf.co/org/Repo-GGUF:Q4_K_M")}


def test_keys_of_a_second_file_make_a_model_a_persons(machine):
    machine.write(machine.models / "a.gguf")
    more = machine.folder / "more.toml"
    more.write_text("")
    machine.run("-c", str(more), "sync")
    more.write_text("[models.a]\nttl = 5\n")
    (row,) = machine.run("-c", str(more), "sync")["data"]["models"]
    assert (row["state"], row["name"]) == ("yours", "a")
    (machine.models / "a.gguf").unlink()
    assert machine.run("-c", str(more), "sync")["data"]["models"] == []


def test_prefix_of_all_names_and_a_model_that_does_not_fit(machine):
    machine.edit("[sync]", '[naming]\nprefix = "x/"\n\n[sync]\nprefix = "own-"')
    machine.write(machine.models / "huge.gguf", "huge")
    machine.write(machine.models / "a.gguf")
    machine.write(machine.models / "z.gguf", context=8192)
    machine.run("sync", code=5)
    assert {*models(machine)} == {"own-a", "own-z"}
    machine.edit("[sync]", '[plan]\nwish_together = [["own-a", "own-z"]]\n\n[sync]')
    (machine.models / "a.gguf").unlink()
    found = machine.run("sync", code=5)["data"]["models"]
    assert ("kept", "own-a") in {(row["state"], row["name"]) for row in found}


def test_another_file_of_a_persons_model_is_told_too(machine):
    machine.write(machine.models / "own.gguf")
    machine.edit("[sync]", '[models.mine]\nmodel = "own.gguf"\n\n[sync]')
    machine.sync()
    machine.write(machine.models / "own.gguf", context=8192)
    (told,) = machine.sync().items()
    assert told[0] == ("changed", "mine")
    assert told[1][0] == "trained context 4096 → 8192"
    machine.half(machine.models / "own.gguf", context=2048)
    assert {*machine.sync()} == {("left", "mine")}
    (machine.models / "own.gguf").unlink()
    (note,) = machine.run("sync")["diagnostics"]
    assert note["message"].endswith("what llm.lock says is kept")


def test_a_folder_that_is_none_is_told_at_its_place(machine):
    machine.edit('folders = ["~/disk"]', 'folders = ["~/disk", "~/nowhere"]')
    (told,) = machine.run("sync")["diagnostics"]
    assert (told["code"], told["key"]) == ("sync.no-folder", ["sync", "folders", 1])
    assert "`~/nowhere`" in told["message"]
