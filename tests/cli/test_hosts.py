"""Commands on an llm.toml of several hosts: all of them, one by name, or which is meant."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmgen.cli.boundary import root

REPOSITORY = Path(__file__).parents[2]
TEXT = """
edition = 2
[hosts.studio]
address = "192.168.1.10"
key = { env = "STUDIO_KEY" }
hardware.profile = "apple-silicon-256gb"
paths.home = "/Users/llm"
[hosts.box]
address = "192.168.1.11"
key = { env = "BOX_KEY" }
hardware.profile = "nvidia-24gb"
paths.home = "/home/llm"
gateway.envoy.enable = true
[models.gpt-oss-120b]
model = "gpt-oss-120b-GGUF/gpt-oss-120b-mxfp4-00001-of-00003.gguf"
host = "studio"
ctx_size = 8192
aliases = ["gpt-4o"]
[models.coder]
model = "Qwen3-Coder-30B-A3B-Instruct-GGUF/Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf"
host = "box"
ctx_size = 16384
"""


@pytest.fixture
def llmgen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("llm.toml").write_text(TEXT)
    Path("llm.lock").write_bytes((REPOSITORY / "llm.lock").read_bytes())

    def run(*words, code=0):
        done = CliRunner().invoke(root, [*words, "--json"])
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    return run


def paths(folder="generated"):
    below = Path(folder)
    return {str(item.relative_to(below)) for item in below.rglob("*") if item.is_file()}


def test_each_host_has_a_folder_with_its_own_llm_toml(llmgen):
    llmgen("generate")
    assert {"studio/llm.toml", "studio/llm.lock", "box/llm.toml", "box/envoy/rds.yaml"} <= paths()
    assert llmgen("generate", "--check")["data"]["changes"] == []


@pytest.mark.parametrize("host", ["studio", "box"])
def test_what_a_host_generates_from_its_own_llm_toml_is_the_same(llmgen, host):
    llmgen("generate")
    llmgen("-c", f"generated/{host}/llm.toml", "generate", "-o", "again")
    own = {"llm.toml", "llm.lock"}
    made = paths(f"generated/{host}") - own
    assert paths("again") - {".llmgen.json"} == made
    for name in made:
        assert Path("again", name).read_bytes() == Path("generated", host, name).read_bytes()


def test_one_host_alone_is_written_without_touching_the_others(llmgen):
    llmgen("generate")
    text = Path("llm.toml").read_text().replace("ctx_size = 16384", "ctx_size = 8000")
    Path("llm.toml").write_text(text.replace("ctx_size = 8192", "ctx_size = 4000"))
    changed = llmgen("generate", "--host", "box")["data"]["changes"]
    assert changed
    assert all(item["path"].startswith("box/") for item in changed)


def test_show_has_a_page_for_each_host_and_who_serves_what(llmgen):
    data = llmgen("show")["data"]
    assert {*data["hosts"]} == {"studio", "box"}
    assert [(item["name"], item["hosts"]) for item in data["models"]] == [
        ("gpt-oss-120b", ["studio"]),
        ("coder", ["box"]),
    ]


@pytest.mark.usefixtures("llmgen")
def test_many_hosts_are_summed_up_past_a_screenful():
    table = """[hosts.h{at}]
address = "10.0.0.{at}"
key = {{ env = "KEY" }}
paths.home = "/home/llm"
hardware.profile = "nvidia-24gb"
"""
    Path("llm.toml").write_text(TEXT + "".join(table.format(at=at) for at in range(1, 51)))
    shown = CliRunner().invoke(root, ["show"]).output
    assert len(shown.splitlines()) < 60
    assert "52 hosts, the 10 with least room above" in " ".join(shown.split())
    every = CliRunner().invoke(root, ["show", "--all"]).output
    assert every.count("llama.cpp b") == 52


def test_show_of_one_host_is_that_of_any_machine(llmgen):
    data = llmgen("show", "--host", "box")["data"]
    assert data["host"] == "box"
    assert [item["name"] for item in data["models"]] == ["coder"]


def test_a_host_that_is_down_takes_its_models_with_it(llmgen):
    data = llmgen("show", "--without", "box")["data"]
    assert data["lost"] == ["coder"]
    assert data["together"] == {"coder": "studio"}


def test_what_if_is_asked_of_all_hosts(llmgen):
    data = llmgen("show", "--what-if", 'models.coder.host="studio"')["data"]
    assert data["hosts"]["box"]["models"] == []


def test_a_command_about_one_machine_asks_which(llmgen):
    (found,) = llmgen("firewall", code=4)["diagnostics"]
    assert found["code"] == "hosts.which"
    assert "studio, box" in found["message"]


@pytest.mark.usefixtures("llmgen")
def test_a_host_that_is_none_is_a_wrong_word():
    done = CliRunner().invoke(root, ["show", "--host", "bux"])
    assert done.exit_code == 2
    assert "did you mean `box`" in done.output


@pytest.mark.usefixtures("llmgen")
def test_hosts_are_named_only_where_there_are_some():
    Path("llm.toml").write_bytes((REPOSITORY / "llm.toml").read_bytes())
    done = CliRunner().invoke(root, ["show", "--host", "box"])
    assert done.exit_code == 2
    assert "no [hosts]" in done.output
