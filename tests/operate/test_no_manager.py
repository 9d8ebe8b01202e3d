"""A machine whose systemctl has no systemd behind it: nothing is half-done, unknown is said."""

import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_stacks import write_stack

from llmgen.cli.boundary import root

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
SYSTEMCTL = "#!/bin/sh\necho 'Failed to connect to bus: No medium found' >&2\nexit 1\n"


class Silent:
    def __init__(self, folder):
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "bin" / "systemctl").write_text(SYSTEMCTL)
        (folder / "bin" / "systemctl").chmod(0o755)
        write_stack(folder, home=str(folder), llama_server="/bin/true", llama_swap="/bin/true")

    def llmgen(self, *words):
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        own = {"HOME": str(self.folder), "PATH": path}
        unset = {name: None for name in os.environ if name.startswith("XDG_")}
        words = ["-c", str(self.folder / "llm.toml"), *words, "--json"]
        done = CliRunner(env=unset | own).invoke(root, words)
        found = json.loads(done.stdout)
        assert done.exit_code == found["exit_code"]
        return found

    def files(self):
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {path for path in found if ".cache" not in path.parts}


@pytest.fixture
def silent(tmp_path):
    return Silent(tmp_path)


def codes(found):
    return [item["code"] for item in found["diagnostics"]]


def test_install_is_refused_before_anything_is_written(silent):
    before = silent.files()
    found = silent.llmgen("install")
    assert (found["exit_code"], codes(found)) == (4, ["operate.no-manager"])
    assert "--no-restart" in found["diagnostics"][0]["hint"]
    assert silent.files() == before


def test_dry_run_says_that_nobody_would_start_it(silent):
    found = silent.llmgen("install", "--dry-run")
    assert (found["exit_code"], codes(found)[0]) == (0, "operate.no-manager")


def test_what_no_restart_left_to_run_is_run_by_the_next_install(silent):
    silent.llmgen("install", "--no-restart")
    steps = silent.llmgen("install", "--dry-run")["data"]["steps"]
    assert any("restart" in step["command"] for step in steps)
    (silent.folder / "bin" / "systemctl").write_text("#!/bin/sh\nexit 0\n")
    silent.llmgen("install")
    assert silent.llmgen("install", "--dry-run")["data"]["steps"] == []


@pytest.mark.parametrize("text", ["5", "{}", "null", "[1]", "cut sho"])
def test_a_damaged_note_of_an_interrupted_run_is_none(silent, text):
    silent.llmgen("install", "--no-restart")
    (note,) = silent.folder.rglob("pending.json")
    note.write_text(text)
    assert silent.llmgen("install", "--dry-run")["data"]["steps"] == []


def test_status_of_an_installed_stack_is_unknown(silent):
    assert silent.llmgen("install", "--no-restart")["exit_code"] == 0
    found = silent.llmgen("status")
    assert (found["exit_code"], codes(found)) == (4, ["operate.no-manager"])
    assert {row["state"] for row in found["data"]["services"]} == {"unknown"}
    for word in ("up", "down", "restart"):
        assert codes(silent.llmgen(word)) == ["operate.no-manager"]
    assert silent.llmgen("uninstall", "--no-restart")["exit_code"] == 0


def test_status_with_nothing_installed_needs_no_manager(silent):
    found = silent.llmgen("status")
    assert (found["exit_code"], codes(found)) == (1, ["operate.nothing-installed"])


def test_status_of_a_stack_kept_up_by_cron_asks_for_no_units(silent):
    crontab = silent.folder / "bin" / "crontab"
    crontab.write_text(f"#!/bin/sh\n[ $1 = - ] && exec cat > {silent.folder}/table\nexit 0\n")
    crontab.chmod(0o755)
    assert silent.llmgen("install", "--cron")["exit_code"] == 0
    found = silent.llmgen("status")
    assert (found["exit_code"], {*codes(found)}) == (1, {"status.down"})
    assert not Path(silent.folder, ".config/systemd").exists()
