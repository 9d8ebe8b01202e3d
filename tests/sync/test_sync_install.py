"""What is installed follows a sync, and a timer runs it; a systemctl that only notes its words."""

import os
import shutil
import subprocess
import sys

import pytest

SYSTEMCTL = '#!/bin/sh\necho "$*" >> "$SYSTEMCTL_WORDS"\n'
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


@pytest.fixture
def managed(machine, monkeypatch, tmp_path):
    """The machine with a service manager, and programs that are there."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "systemctl").write_text(SYSTEMCTL)
    (programs / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("SYSTEMCTL_WORDS", str(tmp_path / "words"))
    machine.edit("[sync]", "[sync]\ninterval = 3600")
    paths = 'llama_server = "/bin/true"\nllama_swap = "/bin/true"\nllmgen = "/bin/true"\n'
    machine.edit("[paths]\n", f"[paths]\n{paths}")
    machine.write(machine.models / "a.gguf")
    return machine


def words(tmp_path):
    path = tmp_path / "words"
    found = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [line for line in found if " show " not in f" {line} "]


def units(machine):
    return machine.home / ".config/systemd/user"


@LINUX
def test_what_is_installed_follows_only_where_something_changed(managed, tmp_path):
    data = managed.run("sync")["data"]
    assert data["installed"] == {"why": "nothing is installed here; `llmgen install` does that"}
    managed.run("install")
    assert any("llmgen-sync.timer" in line for line in words(tmp_path))
    managed.write(managed.models / "b.gguf", context=8192)
    changes = managed.run("sync", "--dry-run")["data"]["installed"]["changes"]
    assert {row["action"] for row in changes} == {"update"}
    assert words(tmp_path) == []
    done = managed.run("sync")["data"]["installed"]
    assert done["generation"] == 2
    told = words(tmp_path)
    assert any("llmgen-swap.service" in line for line in told)
    assert not any("llmgen-sync" in line for line in told)
    assert managed.run("sync")["data"]["installed"]["why"] == "what is installed is up to date"
    assert words(tmp_path) == []


@LINUX
def test_sync_leaves_its_own_timer_to_install(managed, tmp_path):
    managed.run("sync")
    managed.run("install")
    managed.edit("interval = 3600", "interval = 7200")
    managed.sync()
    timer = units(managed) / "llmgen-sync.timer"
    assert "OnUnitInactiveSec=3600" in timer.read_text()
    managed.run("install")
    assert "OnUnitInactiveSec=7200" in timer.read_text()
    managed.edit("interval = 7200\n", "")
    managed.sync()
    assert timer.exists()
    managed.run("install")
    assert not timer.exists()


@LINUX
def test_status_finds_no_drift_and_uninstall_takes_the_timer_away(managed):
    managed.run("sync")
    managed.run("install")
    said = [item["message"] for item in managed.run("status", code=1)["diagnostics"]]
    assert [text for text in said if "sync" in text] == []
    managed.edit("interval = 3600", "interval = 7200")
    said = [item["message"] for item in managed.run("status", code=1)["diagnostics"]]
    assert any("llmgen-sync.timer" in text for text in said)
    managed.run("uninstall")
    assert not (units(managed) / "llmgen-sync.timer").exists()


@LINUX
def test_timer_runs_sync_on_this_llm_toml_and_these_stores(managed, monkeypatch):
    monkeypatch.setenv("OLLAMA_MODELS", str(managed.ollama))
    managed.run("sync")
    managed.run("install")
    text = (units(managed) / "llmgen-sync.service").read_text()
    command = f"/usr/bin/env OLLAMA_MODELS={managed.ollama} /bin/true -c {managed.toml} sync"
    assert f"ExecStart={command}\n" in text
    assert "SuccessExitStatus=5" in text
    if program := shutil.which("systemd-analyze"):
        files = [units(managed) / f"llmgen-sync.{kind}" for kind in ("service", "timer")]
        checked = subprocess.run(
            [program, "verify", "--user", *files], capture_output=True, text=True, check=False
        )
        assert "llmgen-sync" not in checked.stderr


@LINUX
def test_installation_of_another_llm_toml_is_let_be(managed, tmp_path):
    managed.run("sync")
    other = managed.folder.parent / "other"
    shutil.copytree(managed.folder, other)
    managed.run("install")
    words(tmp_path)
    managed.toml.unlink()
    managed.folder = other
    managed.write(managed.models / "b.gguf", context=8192)
    data = managed.run("sync")["data"]
    assert data["installed"]["why"].startswith("not installed: what is installed is the stack of ")
    assert words(tmp_path) == []


@LINUX
def test_file_of_the_installation_that_was_edited_stops_all_of_it(managed):
    managed.run("sync")
    managed.run("install")
    text = managed.text
    edited = managed.home / ".config/llmgen/llama-swap/config.yaml"
    edited.write_text("mine")
    managed.write(managed.models / "b.gguf", context=8192)
    found = managed.run("sync", code=6)
    assert found["diagnostics"][0]["notes"] == [
        "`llmgen install` takes these options; then run `llmgen sync` again"
    ]
    assert managed.text == text
    assert edited.read_text() == "mine"


@LINUX
def test_without_a_service_manager_nothing_is_half_done(managed, tmp_path):
    managed.run("sync")
    managed.run("install")
    said = "#!/bin/sh\necho 'Failed to connect to bus: No medium found' >&2\nexit 1\n"
    (tmp_path / "bin/systemctl").write_text(said)
    managed.write(managed.models / "b.gguf", context=8192)
    text = managed.text
    found = managed.run("sync", code=4)
    assert found["diagnostics"][0]["code"] == "operate.no-manager"
    assert managed.text == text
    managed.edit("[sync]", "[sync]\ninstall = false")
    assert ("added", "b") in managed.sync()


def test_on_a_mac_it_is_an_agent(machine):
    machine.edit(
        'os = "linux"\nbackend = "cuda"', 'os = "macos"\nbackend = "metal"\nunified = true'
    )
    machine.edit("[sync]", "[sync]\ninterval = 3600")
    machine.write(machine.models / "a.gguf")
    machine.sync()
    files = machine.run("show", "--files")["data"]["files"]
    (agent,) = (row for row in files if "sync" in row["path"])
    assert agent["installed"] == f"{machine.home}/Library/LaunchAgents/llmgen.sync.plist"


@LINUX
def test_timer_of_the_system_is_for_files_of_root_alone(managed):
    managed.edit("[sync]", '[services]\nscope = "system"\n\n[sync]')
    managed.toml.chmod(0o666)
    managed.run("lock")
    found = managed.run("install", "--dry-run", code=4)
    assert found["diagnostics"][0]["code"] == "operate.not-roots"
    assert found["diagnostics"][0]["location"]["line"] > 1


@LINUX
def test_files_for_another_machine_have_no_timer_and_it_is_said(managed, tmp_path):
    managed.run("sync")
    found = managed.run("install", "--root", str(tmp_path / "root"))
    assert [item["code"] for item in found["diagnostics"]] == ["operate.no-timer"]
    assert [*tmp_path.joinpath("root").rglob("*llmgen-sync*")] == []
