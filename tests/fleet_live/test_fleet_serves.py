"""Three machines from one desk: installed by one command, every name answers at every door."""

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
