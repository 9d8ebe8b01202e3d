"""What is asked, where and with which key; what would load a model is not."""

import json

import pytest
from targets import plans
from targets.prometheus.watched import STACK, files, promtool, written
from yaml_reader import read_yaml

from llmgen.gateway.publish import publish
from llmgen.targets.selection import selected


def asked(text=STACK, **more):
    """Jobs by name."""
    found = read_yaml(files(text, **more)["llmgen.scrape.yml"])
    return {job["job_name"]: job for job in found["scrape_configs"]}


def targets(job):
    return [address for row in job["static_configs"] for address in row["targets"]]


@pytest.mark.reader("promtool")
@pytest.mark.parametrize(
    "text",
    [
        "[models.a]\nmodel = 'a.gguf'\n",
        "[services]\non_demand = 'router'\n[models.a]\nmodel = 'a.gguf'\n",
    ],
)
def test_prometheus_takes_the_configuration(tmp_path, text):
    code, said = promtool("check", "config", written(tmp_path, text) / "prometheus.yml")
    assert code == 0, said
    assert "1 rule files found" in said


@pytest.mark.reader("promtool")
def test_prometheus_finds_the_keys_that_are_filled(tmp_path, monkeypatch):
    planted = {"SERVER_KEY": "sk-planted-server", "MASTER_KEY": "sk-planted-master"}
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "swap.key").write_text("sk-planted-swap\nnot the key\n")
    text = STACK.replace("swap.key", str(tmp_path / "swap.key")).replace(
        "[targets.prometheus]", f"[targets.prometheus]\nkeys = '{tmp_path}/keys'"
    )
    folder = written(tmp_path / "out", text)
    assert promtool("check", "config", folder / "prometheus.yml")[0] == 1
    publish(folder / "secrets" / "keys.json")
    code, said = promtool("check", "config", folder / "prometheus.yml")
    assert code == 0, said
    assert (tmp_path / "keys/llama-swap.key").read_text().strip() == "sk-planted-swap"
    assert (tmp_path / "keys/llama-swap.key").stat().st_mode & 0o777 == 0o600
    for path in folder.rglob("*"):
        assert path.is_dir() or "sk-planted" not in path.read_text()


def test_everything_that_has_metrics_is_asked():
    found = asked()
    assert {name: (targets(job), job["metrics_path"]) for name, job in found.items()} == {
        "llmgen-server": (["127.0.0.1:9001"], "/metrics"),
        "llmgen-swap": (["127.0.0.1:8080"], "/metrics"),
        "llmgen-envoy": (["127.0.0.1:9901"], "/stats/prometheus"),
        "llmgen-litellm": (["127.0.0.1:4000"], "/metrics/"),
        "llmgen-node": (["127.0.0.1:9100"], "/metrics"),
        "llmgen-gpu": (["127.0.0.1:9400"], "/metrics"),
    }
    assert found["llmgen-server"]["static_configs"][0]["labels"] == {
        "host": "box",
        "model": "embed",
    }


def test_who_could_tell_and_was_not_told_to_is_named():
    text = files()["llmgen.scrape.yml"]
    assert "\n# `metrics = true` in llm.toml lets these be asked as well: quiet\n" in text
    assert "metrics = true" not in files("[models.a]\nmodel = 'a.gguf'\n")["llmgen.scrape.yml"]


def test_on_demand_models_are_never_asked():
    found = asked("[models.big]\nmodel = 'big.gguf'\nmetrics = true\n")
    assert {*found} == {"llmgen-swap"}


def test_the_router_has_nothing_to_ask():
    text = "[services]\non_demand = 'router'\n[models.big]\nmodel = 'big.gguf'\n"
    assert asked(text) == {}


def test_metrics_of_envoy_have_a_port_of_their_own_where_told():
    text = STACK.replace("queue = 5", "queue = 5\nmetrics_port = 9902")
    job = asked(text)["llmgen-envoy"]
    assert (targets(job), job["metrics_path"]) == (["127.0.0.1:9902"], "/metrics")


def test_in_containers_only_what_is_published_is_asked():
    contained = STACK.replace("[services]\n", '[services]\nruntime = "compose"\n', 1)
    assert {*asked(contained)} == {"llmgen-node", "llmgen-gpu"}
    open_port = contained.replace("queue = 5", "queue = 5\nmetrics_port = 9902")
    assert {*asked(open_port)} == {"llmgen-envoy", "llmgen-node", "llmgen-gpu"}


def test_vllm_tells_without_being_asked_to():
    text = """
[models.coder]
engine = "vllm"
hf_repo = "o/n"
keep = "always"
gpu_memory_utilization = 0.5
memory.host = "1GiB"
"""
    job = asked(text)["llmgen-engine"]
    assert job["static_configs"][0]["labels"]["model"] == "coder"
    assert "authorization" not in job


def test_keys_are_files_that_llmgen_keys_fills():
    found = asked()
    folder = "/home/llm/.local/state/llmgen/run/prometheus"
    wanted = {
        name: job["authorization"]["credentials_file"]
        for name, job in found.items()
        if "authorization" in job
    }
    assert wanted == {
        "llmgen-server": f"{folder}/llama-server.key",
        "llmgen-swap": f"{folder}/llama-swap.key",
        "llmgen-litellm": f"{folder}/litellm.key",
    }
    manifest = json.loads(files()["secrets/keys.json"])
    assert manifest["into"] == folder
    assert manifest["secrets"]["llama-server"] == {"env": "SERVER_KEY"}
    assert manifest["secrets"]["llama-swap"]["file"].endswith("/swap.key")
    assert [item["name"] for item in manifest["files"]] == [
        "llama-server.key",
        "llama-swap.key",
        "litellm.key",
    ]


def test_the_folder_of_keys_is_as_told():
    text = STACK.replace("[targets.prometheus]", "[targets.prometheus]\nkeys = '/etc/llm-keys'")
    job = asked(text)["llmgen-swap"]
    assert job["authorization"]["credentials_file"] == "/etc/llm-keys/llama-swap.key"


def test_without_keys_there_is_no_manifest():
    assert {*files("[models.a]\nmodel = 'a.gguf'\n")} == {
        "prometheus.yml",
        "llmgen.scrape.yml",
        "llmgen.rules.yml",
        "dashboard.json",
    }


def test_nothing_is_rendered_unless_it_is_switched_on():
    names = {target.NAME for target in selected(plans.plan("[models.a]\nmodel = 'a.gguf'\n"))}
    assert "prometheus" not in names
