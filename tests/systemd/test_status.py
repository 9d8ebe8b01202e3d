"""`llmgen status` tells the truth about a real stack, whatever happened to it."""

import json
import re

import pytest
from booted import until

MODEL, SWAP = "llmgen-model-always.service", "llmgen-swap.service"

pytestmark = [pytest.mark.reader("systemd-analyze"), pytest.mark.reader("llama-swap")]


def codes(stack):
    found = stack.llmgen("status")
    assert found["exit_code"] == (
        1 if any(i["severity"] == "error" for i in found["diagnostics"]) else 0
    )
    return {item["code"].removeprefix("status.") for item in found["diagnostics"]}


def settled(stack):
    until(lambda: stack.is_up(stack.values["always"]) and stack.is_up(stack.values["swap"]))
    until(lambda: codes(stack) <= {"restarted"})


@pytest.fixture
def well(system):
    if not codes(system) <= {"restarted"}:
        system.must("install")
        system.must("restart")
        settled(system)
    return system


def test_all_well(well):
    well.chat(well.values["swap"], "one")
    found = well.llmgen("status")
    assert (found["exit_code"], found["status"]) == (0, "ok")
    rows = {row["name"]: row for row in found["data"]["models"]}
    assert (rows["always"]["state"], rows["always"]["context"], rows["always"]["slots"]) == (
        "ready",
        512,
        1,
    )
    assert (rows["one"]["state"], rows["one"]["command_is_wanted"]) == ("ready", True)
    assert rows["two"]["state"] == "unloaded"
    assert 0 < rows["always"]["memory"] < rows["always"]["memory_planned"] + 2**30


def test_another_user_sees_what_runs_and_that_the_files_are_hidden(well):
    booted = well.booted
    done = booted.llmgen("status", "--json", folder=well.folder, user="nobody")
    found = json.loads(done.stdout)
    assert (done.returncode, found["data"]["installed"]) == (4, None)
    assert {item["code"] for item in found["diagnostics"]} <= {
        "apply.unreadable",
        "status.restarted",
    }
    assert {row["state"] for row in found["data"]["services"]} == {"active"}
    doctor = booted.llmgen("doctor", "--json", folder=well.folder, user="nobody")
    ports = [row for row in json.loads(doctor.stdout)["data"]["findings"] if row["rule"] == "port"]
    assert {row["verdict"] for row in ports} == {"unknown"}


def test_doctor_knows_the_units_processes_by_more_than_their_name(well):
    old = well.values["llama_server"]
    well.edit(old, "/opt/other")
    rows = well.llmgen("doctor")["data"]["findings"]
    well.edit("/opt/other", old)
    assert {row["verdict"] for row in rows if row["rule"] == "port"} == {"ok"}


def test_doctor_names_the_stack_of_another_llm_toml(well):
    well.booted.must("cp", f"{well.folder}/llm.toml", f"{well.folder}/o.toml")
    words = [*well.booted.python(), "-m", "llmgen", "-c", f"{well.folder}/o.toml"]
    found = json.loads(well.booted.run(*words, "doctor", "--json").stdout)
    told = [row for row in found["data"]["findings"] if row["rule"] == "port"]
    assert {row["verdict"] for row in told} == {"failed"}
    assert all("is held by the stack of " in row["observed"] for row in told)


def test_dead_backend(well):
    pid = well.pid(MODEL)
    well.booted.must("kill", "-STOP", pid)
    assert "dead-backend" in codes(well)
    well.booted.must("kill", "-CONT", pid)


def test_stale_file(well):
    well.edit('model = "b.gguf"\n', 'model = "b.gguf"\nttl = 99\n')
    assert codes(well) == {"stale-file"}


def test_hand_edited_unit(well):
    path = well.booted.path(f"/etc/systemd/system/{SWAP}")
    text = path.read_text()
    path.write_text(text.replace("RestartSec=5", "RestartSec=6"))
    assert codes(well) == {"edited-file", "unit-outdated"}
    path.write_text(text)
    well.booted.must("systemctl", "daemon-reload")


def test_foreign_process_on_the_port(well):
    well.must("down", "swap")
    port = str(well.values["swap"])
    well.booted.must(
        "systemd-run",
        "--unit=thief",
        *well.booted.python(),
        "-m",
        "http.server",
        port,
        "--bind",
        "127.0.0.1",
    )
    until(lambda: well.booted.run("curl", "-s", f"http://127.0.0.1:{port}/").returncode == 0)
    found = well.llmgen("status")
    (thief,) = [item for item in found["diagnostics"] if item["code"] == "status.foreign-port"]
    pid = well.booted.show("thief.service", "MainPID")
    assert f"process {pid}, user root" in thief["message"]
    well.booted.must("systemctl", "stop", "thief.service")


def test_model_running_with_another_command_line(well):
    drop = well.booted.path(f"/run/systemd/system/{MODEL}.d")
    drop.mkdir(parents=True)
    (drop / "x.conf").write_text(
        "[Service]\nEnvironment=LLAMA_ARG_CTX_SIZE=256\nEnvironmentFile=/opt/other.conf\n"
    )
    well.booted.path("/opt/other.conf").write_text("LLAMA_ARG_CTX_SIZE=256\n")
    well.booted.must("systemctl", "daemon-reload")
    well.booted.must("systemctl", "restart", MODEL)
    until(lambda: well.is_up(well.values["always"]))
    assert codes(well) == {"other-command"}
    (drop / "x.conf").unlink()
    drop.rmdir()
    well.booted.must("systemctl", "daemon-reload")


def test_stopped_unit(well):
    well.must("down", "always")
    assert codes(well) == {"unit-down"}


def test_stack_of_another_llm_toml_is_named_and_let_be(well):
    booted = well.booted
    booted.must("cp", "-r", well.folder, "/opt/other")
    well.chat(well.values["swap"], "one")
    pids = well.pid(MODEL), well.pid(SWAP)

    def asked(*words):
        done = booted.llmgen(*words, "--json", folder="/opt/other")
        found = json.loads(done.stdout)
        return done.returncode, [item["message"] for item in found["diagnostics"]], found["data"]

    for words in (["unload", "--all"], ["load", "two"], ["run", "always", "hi"], ["guard"]):
        code, messages, _ = asked(*words)
        assert code == 1
        assert re.fullmatch(
            r"port \d+ is held by the stack of \S*stack/llm.toml \(user llm, generation \d+\)",
            messages[0],
        )
    for words in (["down"], ["restart", "swap"], ["logs"], ["disable"], ["uninstall"]):
        code, messages, _ = asked(*words)
        assert (code, len(messages)) == (1, 1)
        assert messages[0].startswith("what is installed is the stack of ")
    code, messages, data = asked("status")
    assert (code, data["installed"]) == (1, False)
    assert {row["state"] for row in data["services"]} == {"absent"}
    assert (well.pid(MODEL), well.pid(SWAP)) == pids
    assert well.get(well.values["swap"], "/running")["running"][0]["model"] == "one"


def test_nothing_installed(well):
    well.must("uninstall")
    found = well.llmgen("status")
    assert found["exit_code"] == 1
    assert [item["code"] for item in found["diagnostics"]] == ["operate.nothing-installed"]
    assert json.dumps(found["data"]["installed"]) == "false"
