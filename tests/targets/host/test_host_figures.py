"""What each machine is told, with the numbers of its plan; nothing where it needs nothing."""

import plistlib

import machines
import pytest
from machines import CARD, MODEL, SPARK, STRIX, SYSTEM, texts
from targets import plans

from llmgen.doctor.observations import Seen
from llmgen.doctor.rules.memory import amd_split
from llmgen.targets.host import system_files

LOCKED = MODEL + 'load_mode = "mlock"\n'
MAC = "apple-silicon-128gb"


def test_gtt_is_what_the_devices_may_take_in_pages_of_4_kib():
    found = texts(STRIX)
    assert (
        "options ttm pages_limit=25165824\noptions amdttm pages_limit=25165824\n"
        in (found["modprobe"])
    )
    assert found["kernel-command-line"].splitlines()[-1] == (
        "ttm.pages_limit=25165824 amdttm.pages_limit=25165824"
    )
    assert "nix-amd-ai#42" in found["modprobe"]


def test_half_a_page_is_a_whole_one():
    odd = 'devices = [{ memory = 103079215105, reserve = "0" }]\n'
    assert "ttm pages_limit=25165825\n" in texts(STRIX, more=odd)["modprobe"]


@pytest.mark.parametrize(("kernel", "told"), [("6.1", True), ("6.4", True), ("6.5", False)])
def test_old_kernels_are_told_by_amdgpu_as_well(kernel, told):
    found = texts(STRIX, MODEL + f'[targets.host]\nkernel = "{kernel}"\n')
    assert ("options amdgpu gttsize=98304\n" in found["modprobe"]) is told
    assert ("amdgpu.gttsize=98304" in found["kernel-command-line"]) is told


def test_a_carve_out_is_the_firmwares():
    assert not {"modprobe", "kernel-command-line"} & {*texts("strix-halo-128gb")}


def test_doctor_names_the_same_number():
    plan = plans.plan(MODEL, head=machines.head(STRIX))
    seen = Seen(sysfs={"/sys/class/drm/card0/device/mem_info_gtt_total": "1000"})
    (finding,) = amd_split(plan, seen)
    assert "`ttm.pages_limit=25165824` (`llmgen host` has it as a file)" in finding.fix


@pytest.mark.parametrize("profile", [SPARK, CARD, "nvidia-2x24gb", MAC])
def test_a_users_own_stack_needs_nothing_on_other_machines(profile):
    assert texts(profile) == {}


def test_a_mac_is_told_of_a_share_that_it_would_not_give():
    more = 'devices = [{ memory = "112GiB", reserve = "0" }]\n'
    found = texts(MAC, more=more)["wired-limit"]
    job = plistlib.loads(found.encode())
    assert job["ProgramArguments"] == ["/usr/sbin/sysctl", "iogpu.wired_limit_mb=114688"]
    assert job["Label"] == system_files.WIRED.place.stem
    assert job["RunAtLoad"]
    assert "<!-- 112.0 GiB of 128.0 GiB, as [hardware] says" in found


def test_locked_weights_are_what_one_process_may_lock():
    found = texts(CARD, LOCKED)
    weights = plans.plan(LOCKED, head=machines.head(CARD)).placements[0].model.facts.size_bytes
    assert f"\nLimitMEMLOCK={weights}\n" in found["user-manager"]
    assert f"\n* - memlock {-(-weights // 1024)}\n" in found["limits"]


def test_units_of_the_system_have_their_own_limit():
    assert not {"user-manager", "limits"} & {*texts(CARD, SYSTEM + LOCKED)}


def test_a_low_port_of_a_user_is_opened_to_users():
    low = MODEL + "[gateway.envoy]\nenable = true\nport = 443\n"
    assert "\nnet.ipv4.ip_unprivileged_port_start = 443\n" in texts(CARD, low)["sysctl"]
    assert "sysctl" not in texts(CARD, SYSTEM + low)
    assert "sysctl" not in texts(CARD, low.replace("443", "4001"))


def test_accounts_are_those_of_the_units():
    each = SYSTEM + 'users = "each"\ngroup = "models"\n[gateway.envoy]\nenable = true\n' + MODEL
    lines = texts(STRIX, each)["accounts"].splitlines()
    assert [line for line in lines if line[:1] in "gum"] == [
        "g render -",
        "g video -",
        "g models -",
        'u llm-swap -:models "Models and gateways of llmgen" /var/lib/llmgen',
        "m llm-swap render",
        "m llm-swap video",
        'u llm-envoy -:models "Models and gateways of llmgen" /var/lib/llmgen',
        "m llm-envoy render",
        "m llm-envoy video",
    ]


def test_device_files_are_their_groups():
    found = texts(STRIX, '[services]\ngroups = ["gpu"]\n' + MODEL)
    assert 'SUBSYSTEM=="kfd", KERNEL=="kfd", GROUP="gpu", MODE="0660"' in found["udev"]
    assert "video" not in found["udev"]
    assert "udev" not in texts(STRIX, "[services]\ngroups = []\n" + MODEL)


def test_huge_pages_are_as_asked():
    found = texts(SPARK, MODEL + '[targets.host]\nhuge_pages = "madvise"\n')["huge-pages"]
    assert found.splitlines()[-1] == (
        "w /sys/kernel/mm/transparent_hugepage/enabled - - - - madvise"
    )


@pytest.mark.parametrize(
    ("profile", "names"),
    [(CARD, {"firewall", "firewall-unit"}), (MAC, {"firewall", "firewall-daemon"})],
)
def test_a_firewall_outlives_boots_where_asked(profile, names):
    found = texts(profile, MODEL + "[targets.host]\nfirewall = true\n")
    assert {*found} == names


def test_every_kind_has_a_place_of_its_own():
    places = [(kind.name, kind.place) for kind in system_files.SYSTEM_FILES]
    assert len({place for _, place in places}) == len(places)
