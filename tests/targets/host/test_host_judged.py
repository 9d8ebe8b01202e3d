"""The programs that read these files take them; pf's grammar has no judge off a Mac."""

import os
import plistlib
import shutil
import subprocess

import machines
import pytest
import readers
from machines import MODEL, STRIX, SYSTEM
from targets import plans

from llmgen.render.environment import make_render
from llmgen.targets.host.files import files

ASKED = '[targets.host]\nkernel = "6.1"\nhuge_pages = "always"\nfirewall = true\n'
LOW = "[gateway.envoy]\nenable = true\nport = 443\n"
EACH = SYSTEM + 'users = "each"\ngroup = "models"\n'
# Folders as no sensible person calls them.
ODD = 'state = "/srv/my %h state"\n'


def write(root, text, *, profile=STRIX, paths="", more=""):
    """The files below a root, by the names of their kinds."""
    found = {}
    for item in files(plans.plan(text, head=machines.head(profile, more) + paths), make_render()):
        if item.kind.place.is_absolute():
            path = root / item.kind.place.relative_to("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(item.content)
            found[item.kind.name] = path
    return found


def ask(*words, **more):
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, **more
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.reader("modprobe")
def test_modprobe_reads_the_options(tmp_path):
    folder = write(tmp_path, MODEL + ASKED)["modprobe"].parent
    code, said = ask(readers.find("modprobe"), "--config", folder, "--showconfig")
    assert code == 0, said
    told = [line for line in said.splitlines() if "ttm" in line or "amdgpu" in line]
    assert told == [
        "options ttm pages_limit=25165824",
        "options amdttm pages_limit=25165824",
        "options amdgpu gttsize=98304",
    ]


@pytest.mark.reader("udevadm")
def test_udev_takes_the_rules(tmp_path):
    rules = write(tmp_path, MODEL)["udev"]
    verify = (readers.find("udevadm"), "verify", "--resolve-names=never")
    code, said = ask(*verify, rules)
    assert code == 0, said
    rules.write_text(rules.read_text() + 'SUBSYSTEM=="kfd", GRUOP="render"\n')
    assert ask(*verify, rules)[0] == 1


@pytest.mark.reader("systemd-sysusers")
@pytest.mark.parametrize("services", [SYSTEM, EACH])
def test_sysusers_makes_the_accounts(tmp_path, services):
    write(tmp_path, services + MODEL, paths=ODD)
    (tmp_path / "etc").mkdir(exist_ok=True)
    code, said = ask(readers.find("systemd-sysusers"), f"--root={tmp_path}", "llmgen.conf")
    assert code == 0, said
    users = (tmp_path / "etc/passwd").read_text().splitlines()
    assert users
    for line in users:
        assert line.startswith("llm"), line
        assert line.split(":")[5] == "/srv/my %h state"
    groups = (tmp_path / "etc/group").read_text()
    members = next(line for line in groups.splitlines() if line.startswith("render:"))
    assert {*members.split(":")[3].split(",")} == {line.split(":")[0] for line in users}


@pytest.mark.reader("systemd-tmpfiles")
def test_tmpfiles_writes_the_setting(tmp_path):
    write(tmp_path, MODEL + ASKED)
    setting = tmp_path / "sys/kernel/mm/transparent_hugepage/enabled"
    setting.parent.mkdir(parents=True)
    setting.touch()
    words = ("--create", "--boot", "llmgen-huge-pages.conf")
    code, said = ask(readers.find("systemd-tmpfiles"), f"--root={tmp_path}", *words)
    assert code == 0, said
    assert setting.read_text().strip() == "always"


@pytest.mark.reader("sysctl")
def test_sysctl_reads_the_setting(tmp_path):
    file = write(tmp_path, MODEL + LOW)["sysctl"]
    code, said = ask(readers.find("sysctl"), "--dry-run", f"--load={file}")
    assert code == 0, said
    assert said == "net.ipv4.ip_unprivileged_port_start = 443\n"


@pytest.mark.reader("systemd-analyze")
def test_systemd_takes_the_limit_and_the_firewalls_unit(tmp_path):
    found = write(tmp_path, MODEL + 'load_mode = "mlock"\n' + ASKED)
    shutil.copy2("/bin/true", tmp_path / "nft")
    unit = found["firewall-unit"]
    unit.write_text(unit.read_text().replace("=nft ", f"={tmp_path}/nft "))
    units = tmp_path / "units"
    shutil.copytree(found["user-manager"].parent, units / found["user-manager"].parent.name)
    (units / "user@.service").write_text("[Service]\nExecStart=/bin/true\n")
    shutil.copy2(unit, units)
    path = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"}
    for name in ("user@1000.service", unit.name):
        code, said = ask(readers.find("systemd-analyze"), "verify", name, env=path)
        mine = [line for line in said.splitlines() if "llmgen" in line or "user@" in line]
        assert (code, mine) == (0, []), said


@pytest.mark.reader("nft")
def test_nft_takes_the_rules_twice(tmp_path):
    rules = write(tmp_path, MODEL + ASKED)["firewall"]
    again = tmp_path / "again.nft"
    again.write_text(rules.read_text() * 2)
    inside = ("unshare", "--net", "--map-root-user")
    code, said = ask(*inside, readers.find("nft"), "-f", again)
    assert code == 0, said


def test_daemons_of_macos_are_property_lists(tmp_path):
    more = 'devices = [{ memory = "112GiB", reserve = "0" }]\n'
    found = write(tmp_path, MODEL + ASKED, profile="apple-silicon-128gb", more=more)
    for name, program in (("wired-limit", "sysctl"), ("firewall-daemon", "pfctl")):
        job = plistlib.loads(found[name].read_bytes())
        assert job["ProgramArguments"][0].endswith(program)
        assert found[name].stem == job["Label"]
        assert job["LaunchOnlyOnce"]


def test_limits_are_four_words(tmp_path):
    """As limits.conf(5) says: domain, type, item, value."""
    file = write(tmp_path, MODEL + 'load_mode = "mlock"\n')["limits"]
    (line,) = (line for line in file.read_text().splitlines() if not line.startswith("#"))
    domain, kind, item, value = line.split()
    assert (domain, kind, item) == ("*", "-", "memlock")
    assert int(value) > 0
