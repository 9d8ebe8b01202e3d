"""A system stack under real systemd, polkit and journald, for who is not root."""

import json

import pytest
from booted import until

pytestmark = [pytest.mark.reader("systemd-analyze"), pytest.mark.reader("llama-swap")]
MODEL = "llmgen-model-always.service"


def asked(system, user, *words):
    done = system.booted.llmgen(*words, "--json", folder=system.folder, user=user)
    return json.loads(done.stdout)


def told(found):
    return {item["code"]: item for item in found["diagnostics"]}


@pytest.fixture(scope="module")
def people(system):
    """`op` is of the group of operators, `guest` is nobody's."""
    booted = system.booted
    if booted.run("test", "-x", "/usr/lib/polkit-1/polkitd").returncode:
        pytest.skip("polkit is not installed")
    booted.must("groupadd", "--system", "ops")
    for name in ("op", "guest"):
        booted.must("useradd", "--create-home", name)
        booted.must("loginctl", "enable-linger", name)
    booted.must("usermod", "-aG", "ops", "op")
    return system


def test_ordinary_user_is_told_the_ways(people):
    for word in ("down", "up", "restart"):
        found = asked(people, "guest", word)
        assert found["exit_code"] == 4
        assert [*told(found)] == ["operate.not-allowed"], found["diagnostics"]
        denied = told(found)["operate.not-allowed"]
        assert "`operators` in [services]" in denied["hint"]
        assert "llmgen …" in denied["hint"]
    assert people.booted.show(MODEL, "ActiveState") == "active"


def test_ordinary_user_sees_what_runs(people):
    found = asked(people, "guest", "status")
    assert found["exit_code"] == 4
    assert "llmgen status" in told(found)["apply.unreadable"]["hint"]
    assert {row["state"] for row in found["data"]["services"]} == {"active"}


def test_journal_is_root_s_and_its_readers(people):
    booted = people.booted
    found = asked(people, "guest", "logs", "always")
    assert (found["exit_code"], [*told(found)]) == (4, ["operate.journal-hidden"])
    group = "systemd-journal"
    assert f"usermod -aG {group} $USER" in told(found)["operate.journal-hidden"]["hint"]
    booted.must("usermod", "-aG", group, "op")
    lines = asked(people, "op", "logs", "always")["data"]["lines"]
    assert any("listening" in line for line in lines)


def test_operators_start_and_stop_after_the_rule_is_installed(people):
    booted = people.booted
    assert asked(people, "op", "down")["exit_code"] == 4
    people.edit("[services]\n", '[services]\noperators = "ops"\n')
    people.must("install")
    assert people.is_there("/etc/polkit-1/rules.d/50-llmgen.rules")
    until(lambda: asked(people, "op", "down", "always")["exit_code"] == 0)
    assert booted.show(MODEL, "ActiveState") == "inactive"
    assert asked(people, "op", "up", "always")["exit_code"] == 0
    until(lambda: people.is_up(people.values["always"]))
    assert asked(people, "op", "restart", "always")["exit_code"] == 0
    assert asked(people, "guest", "down", "always")["exit_code"] == 4
    other = booted.run("systemctl", "stop", "dbus.socket", user="op")
    assert other.returncode != 0
    until(lambda: people.is_up(people.values["always"]))


def test_services_run_as_users_of_their_own(people):
    booted = people.booted
    people.edit("[services]\n", '[services]\nusers = "each"\n')
    hints = [
        item["hint"]
        for item in people.llmgen("install", "--dry-run")["diagnostics"]
        if item["code"] == "operate.no-user"
    ]
    assert len(hints) == 2
    for hint in hints:
        command = hint.split("`")[1].replace("sudo ", "")
        booted.must("sh", "-c", command)
    booted.must("sh", "-c", "chmod -R a+rX /opt/stack")
    people.must("install")
    until(lambda: people.is_up(people.values["always"]))
    until(lambda: people.is_up(people.values["swap"]))
    for unit, user in ((MODEL, "llm-model-always"), ("llmgen-swap.service", "llm-swap")):
        pid = people.pid(unit)
        assert booted.must("ps", "-o", "user:32=", "-p", pid).strip() == user
        own = booted.must("stat", "-c", "%U", f"/var/lib/llmgen/{unit[7:-8]}").strip()
        assert own == user
    assert people.chat(people.values["swap"], "one")["choices"]
    found = people.llmgen("status")
    assert found["exit_code"] == 0, found["diagnostics"]
