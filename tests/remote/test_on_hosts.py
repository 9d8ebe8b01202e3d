"""Commands on the hosts of one llm.toml, by a real sshd: one table, one document, one exit code."""

import json
import subprocess

import pytest
from click.testing import CliRunner
from ssh_server import LLMGEN

from llmgen.cli.boundary import root

pytestmark = pytest.mark.reader("sshd")
FLEET = """\
edition = 2
hardware = {{ os = "linux", backend = "cpu", memory = "64GiB", reserve = "2GiB", devices = [] }}
services.scope = "user"
gateway.envoy.enable = true
paths.llmgen = "{llmgen}"
[hosts.studio]
ssh = "studio"
paths.home = "{folder}/studio"
gateway.envoy.port = 14001
[hosts.spark]
ssh = "ai@spark"
paths.home = "{folder}/spark"
gateway.envoy.port = 14002
"""


@pytest.fixture
def fleet(server, tmp_path):
    """An llm.toml with two hosts that one sshd plays."""
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    for name in ("studio", "spark"):
        (tmp_path / name).mkdir()
        # The machine says which host it is to those who work on it.
        home = f"HOME={tmp_path / name}; LLMGEN_HOST={name}; export HOME LLMGEN_HOST"
        server.host(name, f'{home}; exec sh -c "$SSH_ORIGINAL_COMMAND"')
    text = FLEET.format(folder=tmp_path, llmgen=LLMGEN).replace("ai@", f"{user}@")
    (tmp_path / "llm.toml").write_text(text)
    return server


def llmgen(fleet, *words, **variables):
    """Run llmgen on it, here in this process; on the hosts each is one of its own."""
    words = ["-c", str(fleet.folder / "llm.toml"), *words]
    return CliRunner(env=variables).invoke(root, words)


def document(fleet, *words, **variables):
    done = llmgen(fleet, *words, "--json", **variables)
    found = json.loads(done.stdout)
    assert found["exit_code"] == done.exit_code
    return found


def test_status_of_all_hosts_is_one_document(fleet):
    found = document(fleet, "status")
    assert found["data"]["hosts"].keys() == {"studio", "spark"}
    for name in ("studio", "spark"):
        services = found["data"]["hosts"][name]["data"]["services"]
        assert "envoy" in [item["name"] for item in services]
    assert {item["message"].partition(":")[0] for item in found["diagnostics"]} == {
        "on `studio`",
        "on `spark`",
    }
    assert fleet.left() == []


@pytest.mark.thorough
def test_table_has_a_line_for_each_host_and_service(fleet):
    done = llmgen(fleet, "status")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if " envoy " in line] == ["studio", "spark"]


@pytest.mark.thorough
def test_host_chooses(fleet):
    found = document(fleet, "status", "--host", "spark")
    assert [*found["data"]["hosts"]] == ["spark"]


@pytest.mark.thorough
def test_words_of_the_command_go_along(fleet):
    found = document(fleet, "logs", "-n", "3", "--since=1 hour ago", "--host=spark", "nothing")
    (told,) = found["diagnostics"]
    assert "`spark`" in told["message"]


def test_dry_run_shows_the_plan_of_every_host_and_changes_nothing(fleet, tmp_path):
    found = document(fleet, "install", "--dry-run")
    for name in ("studio", "spark"):
        paths = [item["path"] for item in found["data"]["hosts"][name]["data"]["changes"]]
        # What is installed keeps its llm.toml beside it: the one that was sent is gone.
        assert f"{tmp_path}/{name}/.config/llmgen/llm.toml".lstrip("/") in paths
        assert not (tmp_path / name / ".config").exists()


def test_host_that_is_not_reached_is_said_and_the_others_answer(fleet):
    (fleet.folder / "keys" / "studio").unlink()
    found = document(fleet, "status")
    assert found["data"]["hosts"]["studio"] == {"data": None, "exit_code": 4}
    assert found["data"]["hosts"]["spark"]["data"]["services"]
    told = next(item for item in found["diagnostics"] if item["code"] == "remote.refused-key")
    assert told["location"]["line"] == 6
    assert "`studio`" in told["message"]


def test_install_changes_nothing_anywhere_when_a_host_is_not_reached(fleet, tmp_path):
    (fleet.folder / "keys" / "studio").unlink()
    done = llmgen(fleet, "install", "--wait", "--wait-timeout=9")
    assert done.exit_code == 4
    assert "`studio` lets nobody in" in done.stderr
    assert "nothing was changed on any host" in done.stderr
    assert ["spark", "planned"] in [line.split() for line in done.stdout.splitlines()]
    assert not (tmp_path / "spark" / ".config").exists()


@pytest.mark.thorough
def test_installed_stack_is_known_again(fleet, tmp_path):
    for name in ("studio", "spark"):
        found = document(fleet, "install", "--no-restart", "--host", name)
        assert found["exit_code"] == 0, found["diagnostics"]
        own = tmp_path / name / ".config" / "llmgen" / "llm.toml"
        assert f'ssh = "{name}"' not in own.read_text()
    again = document(fleet, "install", "--dry-run")
    for host in again["data"]["hosts"].values():
        assert {item["action"] for item in host["data"]["changes"]} <= {"keep"}
    codes = {item["code"] for item in document(fleet, "status")["diagnostics"]}
    assert not {code for code in codes if "stack" in code or "install" in code}
    back = document(fleet, "rollback", "--dry-run")
    assert all(host["exit_code"] == 4 for host in back["data"]["hosts"].values())


def test_options_of_one_machine_are_refused(fleet):
    done = llmgen(fleet, "up", "--foreground")
    assert done.exit_code == 2
    assert "`--foreground`" in done.stderr


def test_machine_that_says_which_host_it_is_asks_itself(fleet):
    found = document(fleet, "status", LLMGEN_HOST="spark", PATH="/nonexistent")
    assert [item["name"] for item in found["data"]["services"]] == ["envoy"]


def test_wrong_destination_is_shown_in_llm_toml(fleet):
    path = fleet.folder / "llm.toml"
    path.write_text(path.read_text().replace('"studio"', '"-oProxyCommand=id"'))
    # Refused at the value, by every command: nothing is written with it either.
    for command in ("status", "check", "generate"):
        (told,) = document(fleet, command)["diagnostics"]
        assert told["code"] == "config.bad-value"
        assert told["location"]["line"] == 7
    assert not (fleet.folder / "generated").exists()


def test_host_that_only_this_machine_reaches_needs_no_ssh(fleet):
    path = fleet.folder / "llm.toml"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith("ssh = ")))
    found = document(fleet, "status", PATH="/usr/bin:/bin")
    assert found["data"]["hosts"]["studio"]["data"]["services"]


@pytest.mark.thorough
def test_what_was_installed_is_listed_and_taken_away_again(fleet, tmp_path):
    assert document(fleet, "install", "--no-restart")["exit_code"] == 0
    listed = document(fleet, "generations")["data"]["hosts"]
    assert [len(item["data"]["generations"]) for item in listed.values()] == [1, 1]
    gone = document(fleet, "uninstall", "--no-restart")
    assert gone["exit_code"] == 0, gone["diagnostics"]
    for name in ("studio", "spark"):
        assert not [*(tmp_path / name / ".config" / "systemd").rglob("llmgen-*")]


@pytest.mark.sample(3)
@pytest.mark.parametrize("verb", ["restart", "enable", "disable"])
def test_a_host_without_anything_installed_says_so(fleet, verb):
    found = document(fleet, verb, "--host", "spark")
    assert found["exit_code"] != 0
    assert all("`spark`" in item["message"] for item in found["diagnostics"])


def test_llmgen_of_the_whole_file_is_that_of_each_host(fleet):
    path = fleet.folder / "llm.toml"
    script = fleet.folder / "bin" / "llmgen-of-all"
    script.write_text('#!/bin/sh\necho "llmgen, version 0.0.1"\n')
    script.chmod(0o755)
    path.write_text(path.read_text().replace(LLMGEN, str(script)))
    told = document(fleet, "status", "--host", "spark")["diagnostics"]
    assert [item["code"] for item in told] == ["remote.other-version"]
