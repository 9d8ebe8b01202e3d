"""User units that llmgen installed, under a real user manager, as a user without privileges."""

import shutil

import pytest
from booted import until

MODEL = "llmgen-model-always.service"
WITH_ENVOY = True

pytestmark = [pytest.mark.reader("systemd-analyze"), pytest.mark.reader("llama-swap")]


def test_user_units_serve_as_the_user(personal):
    assert personal.chat(personal.values["swap"], "one")["choices"]
    pid = personal.pid(MODEL)
    assert personal.booted.must("ps", "-o", "user=", "-p", pid).strip() == "someone"
    assert "user@" in personal.booted.must("cat", f"/proc/{pid}/cgroup")


def test_killed_user_unit_comes_back(personal):
    old = personal.pid(MODEL)
    personal.booted.must("kill", "-9", old)
    until(lambda: personal.pid(MODEL) not in ("0", old))
    until(lambda: personal.is_up(personal.values["always"]))


def test_linger_is_checked(personal):
    codes = {item["code"] for item in personal.llmgen("install", "--dry-run")["diagnostics"]}
    assert "operate.no-linger" not in codes
    # What loginctl looks at; `loginctl disable-linger` would end the user's manager as well.
    linger = personal.booted.path("/var/lib/systemd/linger/someone")
    linger.unlink()
    codes = {item["code"] for item in personal.llmgen("install", "--dry-run")["diagnostics"]}
    linger.touch()
    assert "operate.no-linger" in codes


def test_logs_are_the_units_own(personal):
    lines = personal.must("logs", "always", "-n", "500")["lines"]
    assert any("listening on" in line for line in lines)


@pytest.mark.reader("envoy")
def test_keys_are_in_a_private_folder_of_the_user_alone(personal):
    folder = "/home/someone/.local/state/llmgen/run/envoy"
    until(lambda: personal.is_there(folder))
    assert personal.booted.must("stat", "-c", "%a %U", folder) == "700 someone\n"
    places = ("/home/someone", "/var/log", "/run/log")
    assert personal.holding_the_key(*places) == {f"{folder}/rds.yaml"}


def test_timer_of_sync_serves_a_file_that_has_come(personal):
    booted, service = personal.booted, "llmgen-sync.service"
    personal.edit("[services]\n", "[sync]\nsettle = 0\ninterval = 60\n[services]\n")
    booted.must("chown", "-R", "someone", personal.folder)
    personal.must("install")
    assert booted.show("llmgen-sync.timer", "ActiveState", "someone") == "active"
    model = next(personal.outside.rglob("*.gguf"))
    shutil.copy(model, model.with_name("fresh.gguf"))
    booted.must("systemctl", "--user", "start", service, user="someone")
    assert booted.show(service, "Result", "someone") == "success"
    assert "[models.fresh]" in (personal.outside / "llm.toml").read_text()
    until(lambda: personal.chat(personal.values["swap"], "fresh"))
    model.with_name("fresh.gguf").unlink()
    booted.must("systemctl", "--user", "start", service, user="someone")
    assert "[models.fresh]" not in (personal.outside / "llm.toml").read_text()
    until(lambda: personal.chat(personal.values["swap"], "one"))


def test_uninstall_leaves_the_user_nothing(personal):
    personal.must("uninstall")
    booted = personal.booted
    asked = ("systemctl", "--user", "list-unit-files", "llmgen*", "--no-legend", "--plain")
    assert booted.run(*asked, user="someone").stdout == ""
    assert not personal.is_there("/home/someone/.config/llmgen")
    assert not personal.is_there("/home/someone/.local/state/llmgen/run")
    assert personal.holding_the_key("/home/someone", "/var/log", "/run/log") == set()
