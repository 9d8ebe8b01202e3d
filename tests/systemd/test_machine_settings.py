"""Settings of the machine, and the timer for node_exporter, under a real systemd.

The booted machine shares kernel and network with the one around it, so that no firewall, no
sysctl and no huge pages are set here.
"""

import pytest
from conftest import Stack

pytestmark = [pytest.mark.reader("systemd-analyze"), pytest.mark.reader("llama-swap")]

ACCOUNTS = "/etc/sysusers.d/llmgen.conf"
FIGURES = "/var/lib/node exporter/llmgen.prom"
WATCHED = '[targets.prometheus]\ntextfiles = "/var/lib/node exporter"\n'


@pytest.fixture(scope="module")
def hosted(booted, programs):
    """A stack of system units whose account nobody made by hand."""
    own = {"config": "/etc/llmgen", "state": "/var/lib/llmgen", "home": "/home/llm"}
    changed = (('user = "llm"', 'user = "llm-hosted"'),)
    stack = Stack(
        booted, "/opt/hosted", scope="system", extra=WATCHED, changed=changed, **own, **programs
    )
    booted.must("mkdir", "-p", "/var/lib/node exporter")
    yield stack
    stack.llmgen("uninstall")


def test_accounts_are_made_and_the_stack_runs_as_them(hosted):
    assert hosted.booted.run("id", "llm-hosted").returncode != 0
    done = hosted.must("host", "--install")
    assert done["commands"] == [["systemd-sysusers", ACCOUNTS]]
    hosted.booted.must("id", "llm-hosted")
    assert hosted.must("install", "--wait")["ready"]
    pid = hosted.pid("llmgen-swap.service")
    assert hosted.booted.must("ps", "-o", "user:32=", "-p", pid).strip() == "llm-hosted"
    assert hosted.must("host", "--install")["changes"] == []


def test_the_timer_writes_figures_that_others_can_read(hosted):
    booted = hosted.booted
    assert booted.show("llmgen-metrics.timer", "ActiveState") == "active"
    booted.must("systemctl", "start", "llmgen-metrics.service")
    text = booted.must("cat", FIGURES)
    assert 'llmgen_service_up{service="swap"} 1\n' in text
    assert 'llmgen_model_loaded{model="always"} 1\n' in text
    assert 'llmgen_model_loaded{model="one"} 0\n' in text
    # Root sees the list of files, so nothing differs.
    assert "llmgen_differences" not in text
    assert booted.must("stat", "-c", "%a", FIGURES).strip() == "644"


def test_an_edited_unit_is_a_difference_in_figures(hosted):
    booted = hosted.booted
    unit = booted.path("/etc/systemd/system/llmgen-swap.service")
    before = unit.read_text()
    unit.write_text(f"{before}# mine\n")
    booted.must("systemctl", "start", "llmgen-metrics.service")
    text = booted.must("cat", FIGURES)
    unit.write_text(before)
    assert 'llmgen_differences{code="status.edited-file"} 1\n' in text


def test_uninstall_takes_settings_and_stack_away(hosted):
    hosted.must("uninstall")
    assert not hosted.is_there(ACCOUNTS)
    assert not hosted.is_there("/etc/systemd/system/llmgen-metrics.timer")
    # Files may still be its.
    hosted.booted.must("id", "llm-hosted")
