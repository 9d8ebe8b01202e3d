"""The commands of an install, for systemd and for launchd.

No Mac is here: launchctl's words are compared with launchctl(1), not run.
"""

from pathlib import PurePosixPath

from llmgen.operate.installation.steps import DRAIN, after, before
from llmgen.operate.installation.units import Impact, Unit
from llmgen.operate.managers.launchd import Launchd, answer
from llmgen.operate.managers.systemd import Systemd, answers

A = Unit("a.service", PurePosixPath("/u/a.service"), "", starts=True)
B = Unit("b.service", PurePosixPath("/u/b.service"), "", starts=True, reloads=True)
ONCE = Unit("guard.service", PurePosixPath("/u/guard.service"), "", starts=False)
AGENT = Unit("org.a", PurePosixPath("/Library/LaunchDaemons/org.a.plist"), "", starts=True)


def words(steps):
    return [" ".join(step.words) for step in steps]


def test_nothing_affected_runs_nothing():
    assert [*before(Impact(), Systemd("system"), drain=False)] == []
    assert [*after(Impact(), Systemd("system"))] == []


def test_new_units_are_enabled_and_started_once_systemd_knows_them():
    assert words(after(Impact(created=(A, ONCE)), Systemd("user"))) == [
        "systemctl --user daemon-reload",
        "systemctl --user enable a.service",
        "systemctl --user start a.service",
    ]


def test_changed_units_restart_in_one_transaction():
    assert words(after(Impact(changed=(A, B)), Systemd("system"))) == [
        "systemctl daemon-reload",
        "systemctl reset-failed a.service b.service",
        "systemctl enable a.service b.service",
        "systemctl restart a.service b.service",
    ]


def test_changed_configuration_needs_no_daemon_reload():
    assert words(after(Impact(touched=(A, B)), Systemd("system"))) == [
        "systemctl reset-failed a.service b.service",
        "systemctl restart a.service",
        "systemctl reload-or-restart b.service",
    ]


def test_units_that_go_are_stopped_before_their_files():
    found = Impact(gone=("old.service",))
    assert words(before(found, Systemd("system"), drain=False)) == [
        "systemctl disable --now old.service"
    ]
    assert words(after(found, Systemd("system"))) == [
        "systemctl daemon-reload",
        "systemctl reset-failed old.service",
    ]


def test_timers_stop_before_what_they_start():
    commands = [*Systemd("user").disable(["guard.service", "guard.timer", "swap.service"])]
    assert [words[4:] for words in commands] == [
        ("guard.timer",),
        ("guard.service", "swap.service"),
    ]


def test_llama_swap_is_emptied_first():
    assert next(before(Impact(gone=("x",)), Systemd("user"), drain=True)) is DRAIN


def test_system_units_are_privileged_and_user_units_are_not():
    for scope, privileged in (("system", True), ("user", False)):
        found = [*after(Impact(created=(A,)), Systemd(scope))]
        assert {step.privileged for step in found} == {privileged}


def test_launchd_bootstraps_new_agents():
    assert words(after(Impact(created=(AGENT,)), Launchd("user", 501))) == [
        "launchctl enable gui/501/org.a",
        "launchctl bootstrap gui/501 /Library/LaunchDaemons/org.a.plist",
    ]


def test_launchd_reads_a_rewritten_file_by_bootout_and_bootstrap():
    assert words(after(Impact(changed=(AGENT,)), Launchd("system")))[1:] == [
        "launchctl bootout system/org.a",
        "launchctl bootstrap system /Library/LaunchDaemons/org.a.plist",
    ]


def test_launchd_kicks_an_agent_whose_configuration_changed():
    assert words(after(Impact(touched=(AGENT,)), Launchd("system"))) == [
        "launchctl kickstart -k system/org.a"
    ]


def test_launchctl_print_is_read_by_its_stable_fields():
    text = (
        "system/org.a = {\n\tactive count = 1\n\tstate = running\n\n\tpid = 77\n\t\tstate = x\n}\n"
    )
    assert answer(text) == {"state": "running", "pid": "77"}


def test_systemctl_show_is_read_by_unit():
    text = "Id=a.service\nMainPID=7\n\nId=b.service\nResult=exit-code\n"
    assert answers(text)["b.service"] == {"Id": "b.service", "Result": "exit-code"}
