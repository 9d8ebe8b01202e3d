"""Three machines from one desk: installed by one command, every name answers at every door."""

import re

import pytest
from lab import ADDRESSES, ALIASES

pytestmark = pytest.mark.reader("envoy")


@pytest.mark.parametrize("host", ADDRESSES)
@pytest.mark.parametrize("model", ALIASES)
def test_every_name_answers_at_every_door(installed, host, model):
    assert installed.answers(host, model)


def test_door_asks_for_the_key(installed):
    for host in ADDRESSES:
        words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"]
        url = f"http://{ADDRESSES[host]}:{installed.doors[host]}/v1/models"
        asked = installed.machines["box"].run(*words, url)
        assert asked.stdout == "401", host


def test_status_of_all_is_one_table(installed):
    done = installed.llmgen("status")
    assert done.returncode == 0, done.stdout + done.stderr
    hosts = {line.split()[0] for line in done.stdout.splitlines() if " active " in line}
    assert hosts == {*ADDRESSES}


def test_second_install_changes_nothing(installed):
    for data in installed.must("install").values():
        assert (data["changes"], data["steps"], data["generation"]) == ([], [], None)


@pytest.mark.parametrize("host", ADDRESSES)
def test_host_itself_sees_the_same_stack(installed, host):
    machine = installed.machines[host]
    user = None if machine.login == "root" else machine.login
    own = "/etc/llmgen/llm.toml" if user is None else f"/home/{user}/.config/llmgen/llm.toml"
    seen = machine.run("/opt/llmgen", "-c", own, "status", user=user)
    assert seen.returncode == 0, seen.stdout + seen.stderr
    again = machine.run("/opt/llmgen", "-c", own, "install", user=user)
    assert (again.returncode, again.stdout) == (0, "")
    assert re.fullmatch(r"\d+ unchanged\n", again.stderr)


def test_logs_of_all_are_lines_with_their_host(installed):
    done = installed.llmgen("logs", "-n", "2")
    lines = [line for line in done.stdout.splitlines() if "+0000" in line]
    assert {line.split()[0] for line in lines} == {*ADDRESSES}


@pytest.mark.reader("llama-swap")
def test_llama_swap_leads_to_models_of_others(installed):
    assert installed.doors["spark"] == 4003
    assert installed.answers("spark", "gpt-gamma")
