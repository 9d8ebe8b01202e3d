"""Checkpoints of vLLM and SGLang through lock and plan: what cannot start is refused with what can."""

import json
import re

import published_checkpoints
import pytest
import readers
from click.testing import CliRunner
from readers.tiny_whisper import write_model
from safetensors_writer import write_checkpoint

from llmgen.cli.boundary import root
from llmgen.facts.lock import read_lock

TEXT = """edition = 1
[hardware]
profile = "nvidia-24gb"
memory = "64GiB"
[paths]
home = "{folder}"
models = "{folder}"
[models.big]
engine = "{engine}"
model = "{name}"
memory = {{ host = "4GiB" }}
{keys}
"""


def run(*words):
    done = CliRunner().invoke(root, [*words, "--json"], prog_name="llmgen")
    return json.loads(done.stdout)


def stack(tmp_path, monkeypatch, name, *, engine="vllm", keys=""):
    item = published_checkpoints.BY_NAME[name]
    if not (tmp_path / name).exists():
        write_checkpoint(tmp_path / name, item.tensors, item.config)
    text = TEXT.format(folder=tmp_path, name=name, engine=engine, keys=keys)
    (tmp_path / "llm.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    run("lock")


def test_facts_of_a_folder_are_locked(tmp_path, monkeypatch):
    stack(tmp_path, monkeypatch, "qwen2.5-7b")
    facts = read_lock(tmp_path / "llm.lock").checkpoints["folder:qwen2.5-7b"]
    assert facts.bytes_stored == published_checkpoints.BY_NAME["qwen2.5-7b"].size
    assert run("lock")["data"]["changed"] is False


@pytest.mark.parametrize(
    ("engine", "name", "keys"),
    [
        ("vllm", "qwen3-8b", "gpu_memory_utilization = 0.7"),
        ("vllm", "qwen3-8b", "gpu_memory_utilization = 0.8\nmax_model_len = 40960"),
        ("vllm", "llama-3.1-8b", "max_model_len = 131072"),
        ("vllm", "llama-3.1-8b", ""),
        ("sglang", "qwen3-8b", "mem_fraction_static = 0.6"),
        ("sglang", "llama-3.1-8b", "context_length = 131072"),
    ],
)
def test_reservation_without_room_is_refused_and_its_hint_fits(
    tmp_path, monkeypatch, engine, name, keys
):
    stack(tmp_path, monkeypatch, name, engine=engine, keys=keys)
    found = run("check")
    (told,) = found["diagnostics"]
    assert told["code"] == "models.reservation-too-small"
    assert found["exit_code"] in (3, 5)
    assert "weights take" in told["message"]
    # The hint is planned by putting it into llm.toml.
    hinted = re.findall(r"`(\w+ = [\d.]+)`", told["hint"])
    assert hinted, told["hint"]
    named = {text.partition(" ")[0] for text in hinted}
    kept = [line for line in keys.splitlines() if line.partition(" ")[0] not in named]
    stack(tmp_path, monkeypatch, name, engine=engine, keys="\n".join([*kept, *hinted]))
    again = run("check")
    assert again["exit_code"] == 0, again["diagnostics"]


def test_weights_alone_that_do_not_fit_are_refused_without_a_length(tmp_path, monkeypatch):
    stack(tmp_path, monkeypatch, "devstral-small-2507")
    (told,) = run("check")["diagnostics"]
    assert told["code"] == "models.reservation-too-small"
    assert "smaller quantisation" in told["hint"]


def test_reservation_stays_what_it_is_without_facts(tmp_path, monkeypatch):
    stack(tmp_path, monkeypatch, "qwen2.5-7b", keys="max_model_len = 8192")
    known = run("show", "--model", "big")["data"]
    (tmp_path / "llm.lock").unlink()
    unknown = run("show", "--model", "big")["data"]
    assert known["memory"] == unknown["memory"]


@pytest.mark.reader("whisper-server")
def test_measured_server_needs_no_declared_memory(tmp_path, monkeypatch):
    """The real whisper.cpp, measured alone, is planned beside another by what was seen."""
    write_model(tmp_path / "tiny.bin")
    text = f"""edition = 1
[hardware]
profile = "cpu"
memory = "16GiB"
[paths]
home = "{tmp_path}"
models = "{tmp_path}"
[models.ears]
engine = "whisper"
role = "transcription"
model = "tiny.bin"
threads = 1
program = "{readers.find("whisper-server")}"
[models.others]
engine = "command"
role = "chat"
cmd = ["/bin/true", "--port", "${{PORT}}"]
memory = {{ host = "1GiB" }}
"""
    (tmp_path / "llm.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    before = run("check")
    assert [item["code"] for item in before["diagnostics"]] == ["models.memory-missing"]
    assert "llmgen measure" in before["diagnostics"][0]["hint"]
    done = CliRunner().invoke(root, ["measure", "ears", "--json"], prog_name="llmgen")
    found = json.loads(done.stdout)
    assert found["exit_code"] == 0, found["diagnostics"]
    size = found["data"]["run"]["peak"]["host"]
    assert 20 * 2**20 < size < 200 * 2**20
    assert run("check")["exit_code"] == 0
    (row,) = run("show", "--explain")["data"]["explained"]["measured"]
    assert (row["measured"], row["computed"]) == (size, size)
    # Started otherwise, it is another footprint.
    (tmp_path / "llm.toml").write_text(text.replace("threads = 1", "threads = 2"))
    assert [item["code"] for item in run("check")["diagnostics"]] == ["models.memory-missing"]


def test_checkpoint_that_is_not_locked_is_noted_and_planned(tmp_path, monkeypatch):
    stack(tmp_path, monkeypatch, "qwen2.5-7b", keys="max_model_len = 8192")
    assert run("check")["diagnostics"] == []
    (tmp_path / "llm.lock").unlink()
    (told,) = run("check")["diagnostics"]
    assert told["severity"] == "note"
    assert "llmgen lock" in told["hint"]
    (seen,) = run("show")["data"]["models"]
    assert seen["basis"] == {"gpu0": "reserved", "host": "declared"}
