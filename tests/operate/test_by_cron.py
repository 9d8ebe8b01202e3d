"""A stack that cron keeps up: its own lines, and up, down, restart, logs, status, uninstall."""

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_stacks import write_stack

from llmgen.operate.foreground.run_folder import holder, only_one

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.reader("llama-server"),
    pytest.mark.reader("llama-swap"),
]
# A table of one user in a file: what crontab(1) does with `-l`, `-r` and `-`.
CRONTAB = """\
#!/bin/sh
table={folder}/table
case $1 in
-l) cat $table 2>/dev/null || {{ echo 'no crontab for x' >&2; exit 1; }} ;;
-r) rm $table ;;
-) exec cat > $table ;;
esac
"""
MINE = "0 5 * * 1 mine\n"


class Kept:
    def __init__(self, folder, extra=""):
        self.folder, own = folder, folder / "bin"
        own.mkdir()
        write = {
            "crontab": CRONTAB.format(folder=shlex.quote(str(folder))),
            "llmgen": f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m llmgen "$@"\n',
        }
        for name, text in write.items():
            (own / name).write_text(text)
            (own / name).chmod(0o755)
        home, llmgen = str(folder), str(own / "llmgen")
        self.values = write_stack(folder, home=home, llmgen=llmgen, extra=extra)
        (folder / "table").write_text(MINE)

    def llmgen(self, *words, code=0):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        own = {"HOME": str(self.folder), "PATH": path, "TMPDIR": str(self.folder)}
        done = subprocess.run(
            [sys.executable, "-m", "llmgen", *words, "--json"],
            env=kept | own,
            cwd=self.folder,
            capture_output=True,
            check=False,
        )
        found = json.loads(done.stdout)
        assert found["exit_code"] == done.returncode, found
        assert code in (None, done.returncode), found
        return found

    def states(self):
        return {row["state"] for row in self.llmgen("status", code=None)["data"]["services"]}

    def until(self, *wanted):
        end = time.monotonic() + 120
        while self.states() != {*wanted}:
            assert time.monotonic() < end, self.states()

    def table(self):
        return (self.folder / "table").read_text()

    def pid(self):
        found = self.folder.glob("llmgen-*.lock")
        return next((int(path.read_text()) for path in found), 0)


@pytest.fixture
def kept(tmp_path):
    found = Kept(tmp_path)
    found.llmgen("install", "--cron")
    yield found
    found.llmgen("uninstall")


def test_lines_name_the_llm_toml_whatever_the_folder(kept):
    (boot,) = [line for line in kept.table().splitlines() if line.startswith("@reboot")]
    words = shlex.split(boot)
    assert words[1:4] == [str(kept.folder / "bin/llmgen"), "-c", str(kept.folder / "llm.toml")]
    assert kept.table().startswith(MINE)


def test_dry_run_names_the_crontab_until_it_has_the_lines(kept):
    kept.llmgen("uninstall")
    steps = kept.llmgen("install", "--cron", "--dry-run")["data"]["steps"]
    assert [step["command"] for step in steps] == [["crontab", "-e"]]
    assert kept.table() == MINE
    kept.llmgen("install", "--cron")
    assert kept.llmgen("install", "--cron", "--dry-run")["data"]["steps"] == []


def test_guard_has_a_line_of_its_own(tmp_path):
    found = Kept(tmp_path, extra="[guard]\nenable = true\ninterval = 150\n")
    found.llmgen("install", "--cron")
    (line,) = [line for line in found.table().splitlines() if " guard " in line]
    assert line.startswith("*/2 * * * * ")
    found.llmgen("uninstall")
    assert found.table() == MINE


@pytest.mark.parametrize("word", ["up", "down", "restart", "logs"])
def test_a_part_of_the_stack_is_refused_by_name(kept, word):
    found = kept.llmgen(word, "swap", code=4)
    assert [item["code"] for item in found["diagnostics"]] == ["operate.whole-stack"]


def test_up_restart_down_and_uninstall(kept):
    assert kept.llmgen("up", "--wait")["data"]["ready"]
    first = kept.pid()
    kept.llmgen("up")
    assert kept.pid() == first
    assert kept.states() == {"foreground"}
    assert kept.llmgen("logs", "-n", "1")["data"]["lines"]
    kept.llmgen("restart")
    assert kept.pid() not in (0, first)
    kept.llmgen("down")
    assert kept.states() == {"absent"}
    # As cron would, five minutes later.
    kept.llmgen("up", "--foreground", "--if-down")
    assert kept.states() == {"absent"}
    kept.llmgen("up")
    kept.llmgen("uninstall")
    assert kept.states() == {"absent"}
    assert kept.table() == MINE
    assert not Path(kept.values["state"], "cron.log").exists()


def test_install_of_a_change_restarts_what_runs(kept):
    kept.llmgen("up")
    first = kept.pid()
    kept.llmgen("install", "--cron")
    assert kept.pid() == first
    path = kept.folder / "llm.toml"
    path.write_text(path.read_text().replace("ctx_size = 512", "ctx_size = 1024"))
    kept.llmgen("install", "--cron")
    assert kept.pid() not in (0, first)


def test_units_take_over_from_cron(kept):
    (kept.folder / "bin/systemctl").write_text("#!/bin/sh\nexit 0\n")
    (kept.folder / "bin/systemctl").chmod(0o755)
    kept.llmgen("install")
    assert kept.table() == MINE


def test_holder_is_who_has_the_place(tmp_path):
    name = str(tmp_path / "llm.toml")
    assert holder([name]) == 0
    with only_one([name]) as alone:
        assert (alone, holder([name])) == (True, os.getpid())
        with only_one([name]) as second:
            assert not second
    assert holder([name]) == 0
