"""A host that is cut off in the middle of `install`: nothing half-applied, the next run converges."""

import time

import pytest
from booted import until
from lab import ADDRESSES, SERVED, ended

pytestmark = pytest.mark.reader("envoy")
OTHER = ("ctx_size = 512", "ctx_size = 256")


@pytest.fixture
def changed(installed):
    """An llm.toml that changes something on every host; at the end all is as it was."""
    installed.edit(OTHER)
    yield installed
    for machine in installed.machines.values():
        machine.let_go()
    installed.switch.put_back("box")
    installed.write(installed.text)
    installed.must("install")


def converges(lab):
    """One more install brings all hosts where llm.toml wants them, and then there is nothing to do."""
    lab.must("install")
    for name, data in lab.must("install", "--dry-run").items():
        assert {item["action"] for item in data["changes"]} <= {"keep"}, name
        assert data["steps"] == [], name
    for host in ADDRESSES:
        for model in ("gpt-alpha", "beta", "gpt-gamma"):
            assert lab.answers(host, model)


def held_install(lab, verb):
    """An install that waits on box, between the files and what starts them."""
    box = lab.machines["box"]
    box.hold(verb)
    process = lab.started("install")
    until(box.is_held, 120)
    return process


def names_box(process, *words):
    code, out, err = ended(process)
    assert code == 4, (code, out, err)
    assert err.count("host `box` ") == 1, err
    assert all(word in err for word in words), err
    for name in ("studio", "spark"):
        assert f"{name} " in out
        assert f"host `{name}`" not in err


def context(lab, host):
    """The context of the model of a host, as its server has it."""
    model = SERVED[host]
    assert lab.answers(host, model)
    rows = lab.must("status", "--host", host)[host]["models"]
    return next(row["context"] for row in rows if row["name"] == model)


def test_connections_that_end(changed):
    process = held_install(changed, "daemon-reload")
    changed.machines["box"].drop_connections()
    names_box(process, "cut off")
    until(changed.machines["box"].is_free_of_llmgen)
    assert context(changed, "studio") == context(changed, "spark") == 256
    changed.machines["box"].let_go()
    converges(changed)
    assert context(changed, "box") == 256


def test_killed_llmgen(changed):
    box = changed.machines["box"]
    process = held_install(changed, "daemon-reload")
    box.kill_llmgen()
    names_box(process)
    box.let_go()
    converges(changed)
    assert context(changed, "box") == 256


def test_cable_that_is_pulled(changed):
    process = held_install(changed, "daemon-reload")
    changed.switch.pull("box")
    names_box(process, "cut off")
    # What runs there has not heard of it yet; a minute later it has ended.
    until(changed.machines["box"].is_free_of_llmgen, 120)
    changed.switch.put_back("box")
    changed.machines["box"].let_go()
    converges(changed)
    assert context(changed, "box") == 256


@pytest.mark.parametrize("moment", range(4))
def test_killed_at_any_moment(changed, moment):
    """From the first file on: what is written is whole, and the next run does the rest."""
    box = changed.machines["box"]
    process = changed.started("install", "--host", "box")
    until(
        lambda: box.processes("-m llmgen.*install --json --dry-run") or process.poll() is not None
    )
    until(lambda: not box.processes("--dry-run") or process.poll() is not None)
    until(lambda: box.processes("-m llmgen.*install --json") or process.poll() is not None)
    time.sleep(0.4 * moment)
    box.kill_llmgen()
    ended(process)
    for name in box.run("find", "/etc/llmgen", "-name", "*.json").stdout.split():
        box.must("python3", "-m", "json.tool", name)
    assert changed.answers("studio", "gamma")
    converges(changed)
    assert context(changed, "box") == 256
