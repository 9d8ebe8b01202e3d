"""Two stacks on one port: each command names whose the port is, and touches no other stack."""

import contextlib
import json
import os
import sys

import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from tiny_stacks import Foreground, write_stack

from llmgen.cli.boundary import root
from llmgen.operate.stack_owner import StackOwner, read_owner
from llmgen.operate.status.observations import Observed, Process, UnitState
from llmgen.operate.status.port_holder import ServicePort, Whose, holder, told

MINE, THEIRS = ("/a/llm.toml",), ("/b/llm.toml",)
AT = ServicePort("swap", "llmgen-swap.service", 8080, ("/bin/llama-swap", "-config", "/x.yaml"))
UP = UnitState(is_loaded=True, is_active=True, state="active", pid=10)


def whose(process, **settings):
    seen = {"units": {}, "listeners": {8080: process}, "stack": MINE} | settings
    return holder(AT, Observed(**seen)).whose


def foreground(stack, name="swap"):
    return Process(10, AT.argv, foreground=name, stack=stack)


@pytest.mark.parametrize(
    ("process", "settings", "expected"),
    [
        (None, {"listeners": {}}, Whose.FREE),
        (foreground(MINE), {}, Whose.OURS),
        (foreground(THEIRS), {}, Whose.ANOTHER),
        (foreground(()), {}, Whose.ANOTHER),
        (foreground(MINE, "router"), {}, Whose.STRANGER),
        (replace(foreground(MINE), user="mallory"), {"user": "ann"}, Whose.ANOTHER),
        (foreground(THEIRS), {"units": {AT.unit: UP}}, Whose.ANOTHER),
        (Process(10, AT.argv), {"units": {AT.unit: UP}}, Whose.OURS),
        (Process(11, (), (10, 1)), {"units": {AT.unit: UP}}, Whose.OURS),
        (Process(10), {"units": {AT.unit: UP}, "another": StackOwner(THEIRS, 3)}, Whose.ANOTHER),
        (Process(11, AT.argv), {"units": {AT.unit: UP}}, Whose.STRANGER),
        (Process(12, AT.argv), {}, Whose.OURS),
        (Process(12, ("/bin/llama-swap", "-config", "y.yaml"), folder="/a/generated"),
         {"generated": "/a/generated"}, Whose.OURS),
        (Process(12, ("/bin/llama-swap", "-config", "y.yaml"), folder="/c"),
         {"generated": "/a/generated"}, Whose.STRANGER),
        (Process(12, unit=AT.unit, owner=StackOwner(THEIRS, 2)), {}, Whose.ANOTHER),
        (Process(12, unit=AT.unit, owner=StackOwner(MINE, 2)), {}, Whose.OURS),
        (Process(12, unit="llmgen-old.service", owner=StackOwner(MINE, 2)), {}, Whose.STRANGER),
        (None, {"units": {AT.unit: UP}}, Whose.HIDDEN),
        (None, {"units": {AT.unit: UP}, "another": StackOwner(THEIRS, 3)}, Whose.STRANGER),
        (None, {}, Whose.STRANGER),
    ],
)  # fmt: skip
def test_port_is_whose_the_process_says(process, settings, expected):
    assert whose(process, **settings) is expected


def test_stack_is_named_by_file_user_and_generation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("here", "e2e"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "e2e" / "llm.toml").touch()
    theirs = (str(tmp_path / "e2e" / "llm.toml"),)
    seen = Observed({}, {8080: Process(7, user="ann", owner=StackOwner(theirs, 3))}, stack=MINE)
    found = told(AT, holder(AT, seen))
    assert found.message == (
        "port 8080 is held by the stack of ../e2e/llm.toml (user ann, generation 3)"
    )
    assert "`llmgen -c ../e2e/llm.toml status`" in found.hint
    own = Observed({}, {8080: Process(7, user="ann", foreground="swap", stack=theirs)}, stack=MINE)
    assert told(AT, holder(AT, own)).message == (
        "port 8080 is held by the stack of ../e2e/llm.toml (user ann, in the foreground)"
    )


def test_note_of_another_user_holds_and_steers_nothing(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "deep").write_text("[" * 60000)
    (tmp_path / "long").write_text(json.dumps({"files": ["x" * 99999], "generation": 1}))
    (tmp_path / "odd").write_text('{"files": 3, "generation": "x"}')
    (tmp_path / "well").write_text('{"files": ["/a/llm.toml"], "generation": 4}')
    (tmp_path / "link").symlink_to("well")
    for name in ("pipe", "deep", "long", "odd", "link", "nowhere"):
        assert read_owner(tmp_path / name) is None
    assert read_owner(tmp_path / "well") == StackOwner(MINE, 4)


class Beside:
    """A stack that never ran, on the ports of one that does."""

    def __init__(self, folder, values):
        self.folder = folder
        folder.mkdir()
        write_stack(folder, **values)

    def llmgen(self, *words, code=1):
        state = {"XDG_STATE_HOME": str(self.folder / "xdg")}
        with contextlib.chdir(self.folder):
            done = CliRunner(env=state).invoke(root, [*words, "--json"])
        assert done.stdout, done.stderr
        found = json.loads(done.stdout)
        assert (done.exit_code, found["exit_code"]) == (code, code), found
        return found


@pytest.fixture(scope="module", params=["llama_swap", "router"])
def two(request, tmp_path_factory):
    top = tmp_path_factory.mktemp(request.param)
    (top / "e2e").mkdir()
    running = Foreground(top / "e2e", on_demand=request.param)
    ports = {name: running.values[name] for name in ("always", "swap", "first", "on_demand")}
    yield running, Beside(top / "here", ports)
    running.end()


def names_the_other(found, port):
    told_of = f"port {port} is held by the stack of ../e2e/llm.toml (user "
    return any(item["message"].startswith(told_of) for item in found["diagnostics"])


@pytest.mark.reader("llama-server")
@pytest.mark.reader("llama-swap")
def test_status_counts_nothing_of_another_stack(two):
    running, beside = two
    found = beside.llmgen("status")
    assert names_the_other(found, running.values["swap"])
    assert names_the_other(found, running.values["always"])
    assert {row["state"] for row in found["data"]["services"]} == {"absent"}
    rows = {row["name"]: row for row in found["data"]["models"]}
    assert rows["always"]["state"] == "not running"
    assert running.llmgen("status")["models"][0]["state"] == "ready"
    rows = beside.llmgen("doctor")["data"]["findings"]
    port = str(running.values["swap"])
    (row,) = [row for row in rows if (row["rule"], row["subject"]) == ("port", port)]
    assert row["verdict"] == "failed"
    assert "is held by the stack of ../e2e/llm.toml" in row["observed"]


COMMANDS = (
    "run one hello",
    "load two",
    "unload one",
    "unload --all",
    "guard",
    "guard --dry-run",
    "logs --model one",
    "up --foreground",
)


@pytest.mark.sample(2)
@pytest.mark.reader("llama-server")
@pytest.mark.reader("llama-swap")
def test_commands_refuse_another_stack_and_change_nothing_there(two):
    running, beside = two
    running.llmgen("load", "one")
    is_swap = running.values["on_demand"] == "llama_swap"
    for words in COMMANDS if is_swap else COMMANDS[:4]:
        found = beside.llmgen(*words.split())
        assert names_the_other(found, running.values["swap"]), words
        assert found["diagnostics"][0]["code"] == "operate.other-stack"
        listed = running.get(running.values["swap"], "/running" if is_swap else "/models")
        assert b'"one"' in listed, words
    assert names_the_other(beside.llmgen("run", "always", "hello"), running.values["always"])
    url = f"http://127.0.0.1:{running.values['swap']}/v1"
    assert names_the_other(beside.llmgen("bench", "one", "--http", url), running.values["swap"])
    assert not (beside.folder / "bench.jsonl").exists()
    assert running.llmgen("unload", "--all")["loaded"] == []


@pytest.mark.reader("llama-server")
@pytest.mark.reader("llama-swap")
def test_what_is_installed_is_another_llm_toml_s(tmp_path, monkeypatch):
    """By cron, in a folder for the crontab: the note of an installation is the same with units."""
    own = tmp_path / "bin"
    own.mkdir()
    table = tmp_path / "table"
    (own / "crontab").write_text(
        f"#!/bin/sh\ncase $1 in -l) cat {table} 2>/dev/null || {{ echo no crontab >&2; exit 1; }};;"
        f" -r) rm {table};; -) exec cat > {table};; esac\n"
    )
    (own / "llmgen").write_text(f'#!/bin/sh\nexec {sys.executable} -m llmgen "$@"\n')
    for name in ("crontab", "llmgen"):
        (own / name).chmod(0o755)

    def llmgen(folder, *words, code=0):
        monkeypatch.chdir(tmp_path / folder)
        done = CliRunner().invoke(root, [*words, "--json"])
        found = json.loads(done.stdout)
        assert done.exit_code == code, found
        return [item["code"] for item in found["diagnostics"]]

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_stack(tmp_path / name, home=str(tmp_path), llmgen=str(own / "llmgen"))
    for name in [name for name in os.environ if name.startswith("XDG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{own}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert llmgen("a", "install", "--cron") == []
    note = tmp_path / ".local/state/llmgen/install/owner.json"
    assert json.loads(note.read_text())["files"] == [str(tmp_path / "a" / "llm.toml")]
    for word in ("up", "down", "uninstall"):
        assert llmgen("b", word, code=1) == ["operate.other-stack"]
    assert "operate.other-stack" in llmgen("b", "status", code=1)
    assert "operate.replaces-stack" in llmgen("b", "install", "--cron")
    assert json.loads(note.read_text())["generation"] == 2
    assert llmgen("a", "down", code=1) == ["operate.other-stack"]
    (tmp_path / "b" / "llm.toml").unlink()
    assert llmgen("a", "uninstall") == []
    assert not note.exists()
    llmgen("a", "status", code=1)
