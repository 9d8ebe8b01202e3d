"""One host of several goes another way: back by a generation, or not at all for want of room."""

import pytest
from booted import until
from lab import ADDRESSES, FOLDERS, SERVED

pytestmark = pytest.mark.reader("envoy")
LATER = ("ctx_size = 512", "ctx_size = 256")


@pytest.fixture
def fleet(installed):
    yield installed
    box = installed.machines["box"]
    box.must("mount", "-o", "remount,size=4g", "/run")
    installed.write(installed.text)
    installed.must("install")


def contexts(lab):
    """The context of the model of each host, as its server has it."""
    found = {}
    for name, model in SERVED.items():
        assert lab.answers(name, model)
        rows = lab.document("status", "--host", name)["data"]["hosts"][name]["data"]["models"]
        found[name] = next(row["context"] for row in rows if row["name"] == model)
    return found


def test_rollback_of_one_host(fleet):
    fleet.edit(LATER)
    fleet.must("install")
    assert contexts(fleet) == dict.fromkeys(ADDRESSES, 256)
    fleet.must("rollback", "--host", "box")
    assert contexts(fleet) == {"studio": 256, "spark": 256, "box": 512}
    found = fleet.document("status")
    assert found["exit_code"] == 1
    assert all(item["message"].startswith("on `box`: ") for item in found["diagnostics"])
    assert "`llmgen install --host box`" in {item["hint"] for item in found["diagnostics"]}
    for host in ADDRESSES:
        assert fleet.answers(host, "gpt-gamma")
    fleet.must("install")
    assert contexts(fleet) == dict.fromkeys(ADDRESSES, 256)


def test_disk_that_is_full(fleet):
    box = fleet.machines["box"]
    before = box.files(*FOLDERS["box"], "/var/lib/llmgen-install")
    fleet.edit(LATER)
    # All that is written to /etc and /var lies there.
    used = int(box.must("df", "-k", "--output=used", "/run").split()[-1])
    box.must("mount", "-o", f"remount,size={used + 8}k", "/run")
    found = fleet.document("install")
    codes = {name: host["exit_code"] for name, host in found["data"]["hosts"].items()}
    assert codes == {"studio": 0, "spark": 0, "box": 4}
    (told,) = found["diagnostics"]
    assert told["message"].startswith("on `box`: ")
    assert "No space left on device" in told["message"]
    assert told["hint"].startswith("make room there")
    assert box.files(*FOLDERS["box"], "/var/lib/llmgen-install") == before
    assert fleet.answers("box", "gamma")
    box.must("mount", "-o", "remount,size=4g", "/run")
    fleet.must("install")
    assert contexts(fleet) == dict.fromkeys(ADDRESSES, 256)


def test_no_room_for_what_is_sent(fleet):
    box = fleet.machines["box"]
    used = int(box.must("df", "-k", "--output=used", "/tmp").split()[-1])
    box.must("mount", "-o", f"remount,size={used + 4}k", "/tmp")
    try:
        found = fleet.document("status")
    finally:
        box.must("mount", "-o", "remount,size=4g", "/tmp")
    (told,) = [item for item in found["diagnostics"] if "box" in item["message"]]
    assert (told["code"], found["exit_code"]) == ("remote.no-room", 4), fleet.late
    assert "`ssh root@10.77.0.3 df -h`" in told["hint"]
    assert until(box.is_free_of_llmgen)
