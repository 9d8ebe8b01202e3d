"""`show --files` and `show --requirements`: what a stack puts on a machine, and what it needs there."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from llmgen.cli.boundary import root

REPOSITORY = Path(__file__).parents[2]


def shown(option, config=REPOSITORY / "llm.toml"):
    done = CliRunner().invoke(root, ["-c", str(config), "show", option, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["data"]


def test_files_are_those_that_generate_writes():
    rows = shown("--files")["files"]
    below = REPOSITORY / "generated"
    written = {path.relative_to(below).as_posix() for path in below.rglob("*") if path.is_file()}
    assert {row["path"] for row in rows} == written - {".llmgen.json"}
    assert all(row["size"] == (below / row["path"]).stat().st_size for row in rows)
    placed = {row["path"]: row["installed"] for row in rows}
    assert placed["systemd/system/llmgen-swap.service"] == "/etc/systemd/system/llmgen-swap.service"
    assert placed["CONFIGURATION.md"] is None


def test_requirements_name_programs_memory_disk_accounts_and_ports():
    rows = shown("--requirements")["requirements"]
    kinds = {kind: [row for row in rows if row["kind"] == kind] for kind in
             ("program", "memory", "disk", "account", "group", "port")}  # fmt: skip
    assert all(kinds.values())
    assert {row["name"] for row in kinds["program"]} == {
        "/usr/local/bin/llama-server", "/usr/local/bin/llama-swap", "/usr/local/bin/envoy",
    }  # fmt: skip
    assert all(row["how"] for row in kinds["program"])
    assert "8080" in {row["name"] for row in kinds["port"]}


def test_secrets_are_named_by_reference_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SWAP_KEY", "sk-planted-27182818")
    text = (REPOSITORY / "tests/cases/minimal/llm.toml").read_text()
    (tmp_path / "llm.toml").write_text(
        text + '\n[services.llama_swap]\napi_keys = [{ env = "SWAP_KEY" }]\n'
    )
    (tmp_path / "llm.lock").write_bytes((REPOSITORY / "tests/cases/minimal/llm.lock").read_bytes())
    rows = shown("--requirements", tmp_path / "llm.toml")["requirements"]
    assert {"SWAP_KEY"} == {row["name"] for row in rows if row["kind"] == "secret"}
    assert "planted" not in json.dumps(rows)


@pytest.mark.parametrize("option", ["--files", "--requirements"])
def test_lists_are_tables_for_people(option):
    done = CliRunner().invoke(root, ["-c", str(REPOSITORY / "llm.toml"), "show", option])
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) > 10
