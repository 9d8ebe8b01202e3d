"""What is said to all machines or to one of them, by a real ssh: look, download, measure, stop."""

import pytest
from lab import ADDRESSES, MODELS, SERVED

from llmgen.facts.lock import read_lock

pytestmark = pytest.mark.reader("envoy")
# What each machine has of llm.toml's models.
OWN = {"studio": {"a.gguf"}, "spark": {"b.gguf", "d.gguf"}, "box": {"c.gguf"}}


def test_models_scan_lists_files_of_every_host(installed):
    for host, data in installed.must("models", "scan").items():
        found = {item["path"]: item["named"] for item in data["found"]}
        assert found == {f"/opt/models/{name}": name in OWN[host] for name in MODELS.values()}


def test_pull_is_about_each_hosts_own_models(installed):
    found = installed.must("pull")
    assert found.keys() == ADDRESSES.keys()
    for host, data in found.items():
        assert {item["name"]: item["presence"] for item in data["files"]} == dict.fromkeys(
            OWN[host], "present"
        )


def test_doctor_looks_at_every_host(installed):
    found = installed.document("doctor")
    assert found["data"]["hosts"].keys() == ADDRESSES.keys()
    for host, item in found["data"]["hosts"].items():
        files = [row for row in item["data"]["findings"] if row["rule"] == "model-file"]
        assert {row["subject"].rpartition("/")[2] for row in files} == OWN[host]
        assert {row["verdict"] for row in files} == {"ok"}


def test_model_is_measured_where_it_is_and_the_desk_knows_it(installed):
    lock = installed.folder / "llm.lock"
    before = lock.read_bytes()
    try:
        found = installed.must("measure", "beta")
        runs = read_lock(lock).runs
    finally:
        lock.write_bytes(before)
    assert [*found] == ["spark"]
    assert found["spark"]["seen"]["answered"]
    assert runs["beta"].peak == found["spark"]["run"]["peak"]


def test_one_host_is_stopped_and_started(installed):
    stopped = installed.must("down", "--host", "box")
    assert "llmgen-envoy.service" in stopped["box"]["stopped"]
    assert [*stopped] == ["box"]
    assert installed.answer("box", "gamma")[0] == 0
    assert installed.answer("studio", "gamma")[0] == 503
    assert installed.answers("studio", SERVED["studio"])
    assert [*installed.must("up", "--host", "box")] == ["box"]
    assert installed.answers("studio", "gamma")
