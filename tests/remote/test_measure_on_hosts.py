"""`measure` on other hosts: only those that have the model, and what they held is in llm.lock."""

import json

import pytest
from click.testing import CliRunner
from making import facts

from llmgen.cli.boundary import root
from llmgen.facts.lock import read_lock, write_lock
from llmgen.facts.lock_model import Entry, Lock, Run
from llmgen.remote.run import RemoteRemains

FLEET = """\
edition = 2
hardware = { os = "linux", backend = "cpu", memory = "64GiB", reserve = "2GiB", devices = [] }
paths.home = "/home/llm"
[hosts.studio]
address = "192.168.1.10"
key = { env = "STUDIO_KEY" }
[hosts.spark]
address = "192.168.1.11"
key = { env = "SPARK_KEY" }
[models.chat]
model = "chat.gguf"
aliases = ["talk"]
host = "spark"
"""
RUN = {"settings": "0" * 64, "date": "2026-01-02", "program": "b9999", "peak": {"host": 123}}


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """An llm.toml, and the hosts that are asked; each answers with a measurement."""
    (tmp_path / "llm.toml").write_text(FLEET)
    write_lock(tmp_path / "llm.lock", Lock({"file:chat.gguf": Entry(facts("chat.gguf"))}))
    monkeypatch.chdir(tmp_path)
    seen = []

    def run(host, words, files, **_):
        seen.append((host.name, *words))
        assert sorted(files) == ["llm.lock", "llm.toml"]
        data = {"model": "chat", "devices": [], "run": RUN}
        told = {"llmgen": 1, "exit_code": 0, "data": data, "diagnostics": []}
        return RemoteRemains(host, 0, json.dumps(told).encode(), b"")

    monkeypatch.setattr("llmgen.remote.run.run", run)
    return seen


def test_host_of_the_model_is_asked_and_its_run_recorded(asked, tmp_path):
    done = CliRunner().invoke(root, ["measure", "talk", "--seconds", "60"])
    assert done.exit_code == 0, done.output
    assert asked == [("spark", "-c", "llm.toml", "measure", "--json", "--seconds=60", "--", "talk")]
    assert read_lock(tmp_path / "llm.lock").runs["chat"] == Run(**RUN)


@pytest.mark.parametrize("wrong", [{"settings": "abc"}, {"peak": 1}, {"date": 5}])
def test_what_would_spoil_llm_lock_is_not_written(asked, tmp_path, monkeypatch, wrong):
    before = (tmp_path / "llm.lock").read_bytes()
    monkeypatch.setattr("test_measure_on_hosts.RUN", {**RUN, **wrong})
    done = CliRunner().invoke(root, ["measure", "chat", "--json"])
    (told,) = json.loads(done.output)["diagnostics"]
    assert (done.exit_code, told["code"]) == (4, "remote.garbage")
    assert (tmp_path / "llm.lock").read_bytes() == before


def test_other_host_does_not_have_it(asked):
    done = CliRunner().invoke(root, ["measure", "chat", "--host", "studio"])
    assert done.exit_code == 2
    assert "it is on spark" in done.output
    assert asked == []


def test_unknown_model_is_asked_of_nobody(asked):
    done = CliRunner().invoke(root, ["measure", "chta"])
    assert done.exit_code == 2
    assert asked == []
