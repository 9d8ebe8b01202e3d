"""User units that llmgen installed, under a real user manager, as a user without privileges."""

import pytest
from booted import until

MODEL = "llmgen-model-always.service"

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
    personal.booted.must("loginctl", "disable-linger", "someone")
    codes = {item["code"] for item in personal.llmgen("install", "--dry-run")["diagnostics"]}
    personal.booted.must("loginctl", "enable-linger", "someone")
    assert "operate.no-linger" in codes


def test_logs_are_the_units_own(personal):
    lines = personal.must("logs", "always", "-n", "500")["lines"]
    assert any("listening on" in line for line in lines)


def test_uninstall_leaves_the_user_nothing(personal):
    personal.must("uninstall")
    booted = personal.booted
    asked = ("systemctl", "--user", "list-unit-files", "llmgen*", "--no-legend", "--plain")
    assert booted.run(*asked, user="someone").stdout == ""
    assert not booted.path("/home/someone/.config/llmgen").exists()
