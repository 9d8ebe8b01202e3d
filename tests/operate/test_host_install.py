"""The machine's own settings go in and out of a root without a trace, never over a foreign file."""

import pytest
from targets import plans
from targets.host import machines

from llmgen.apply.changes import NO_WAYS, Ways
from llmgen.errors import InputError, OwnershipError
from llmgen.operate.installation import host_files
from llmgen.operate.installation.host_files import (
    is_there,
    perform,
    place_of,
    prepare,
    refuse_user,
    written,
)
from llmgen.operate.programs import ProgramResult
from llmgen.render.environment import make_render
from llmgen.targets.host.files import files

ASKED = machines.MODEL + 'load_mode = "mlock"\n[targets.host]\nfirewall = true\n'
MAC = 'devices = [{ memory = "112GiB", reserve = "0" }]\n'


def wanted(text=ASKED, profile=machines.STRIX, more=""):
    return files(plans.plan(text, head=machines.head(profile, more)), make_render())


def below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def install(place, found):
    return perform(place, prepare(place, found, NO_WAYS))


@pytest.fixture
def ran(monkeypatch):
    """What would be run, on a machine whose root is the folder."""
    said = []

    def run(words, seconds=0):
        said.append(" ".join(words))
        return ProgramResult(0, "", "")

    monkeypatch.setattr(host_files, "run", run)
    return said


def test_files_come_with_a_list_and_go_with_it(tmp_path):
    place = place_of(str(tmp_path))
    (tmp_path / "etc/modprobe.d").mkdir(parents=True)
    assert not is_there(place)
    assert install(place, wanted()) == []
    assert below(tmp_path) == [
        "etc/llmgen/firewall.nft",
        "etc/modprobe.d/llmgen.conf",
        "etc/security/limits.d/90-llmgen.conf",
        "etc/systemd/system/nft-llmgen.service",
        "etc/systemd/system/user@.service.d/50-llmgen.conf",
        "etc/sysusers.d/llmgen.conf",
        "etc/udev/rules.d/70-llmgen.rules",
        "var/lib/llmgen-install/host/ledger.json",
    ]
    assert is_there(place)
    assert install(place, ()) == []
    assert below(tmp_path) == []
    # Folders of the system stay, also empty ones; those of nobody else go.
    assert (tmp_path / "etc/modprobe.d").is_dir()
    assert not (tmp_path / "etc/systemd/system/user@.service.d").exists()
    assert not (tmp_path / "etc/llmgen").exists()
    assert not is_there(place)


def test_what_llm_toml_no_longer_asks_for_goes(tmp_path):
    place = place_of(str(tmp_path))
    install(place, wanted())
    install(place, wanted(machines.MODEL))
    assert {str(path) for path in written(place)} == {
        "etc/modprobe.d/llmgen.conf",
        "etc/sysusers.d/llmgen.conf",
        "etc/udev/rules.d/70-llmgen.rules",
    }


def test_a_foreign_file_stops_all(tmp_path):
    mine = tmp_path / "etc/modprobe.d/llmgen.conf"
    mine.parent.mkdir(parents=True)
    mine.write_text("options ttm pages_limit=1\n")
    place = place_of(str(tmp_path))
    with pytest.raises(OwnershipError, match=r"llmgen\.conf"):
        install(place, wanted())
    assert below(tmp_path) == ["etc/modprobe.d/llmgen.conf"]
    perform(place, prepare(place, wanted(), Ways(backup=True)))
    assert (mine.parent / "llmgen.conf.before-llmgen").read_text().endswith("=1\n")


def test_an_edited_file_is_not_taken_away(tmp_path):
    place = place_of(str(tmp_path))
    install(place, wanted())
    rules = tmp_path / "etc/udev/rules.d/70-llmgen.rules"
    rules.write_text(rules.read_text() + "# mine\n")
    before = below(tmp_path)
    with pytest.raises(OwnershipError, match="70-llmgen"):
        install(place, ())
    assert below(tmp_path) == before


def test_twice_is_once(tmp_path):
    place = place_of(str(tmp_path))
    install(place, wanted())
    again = prepare(place, wanted(), NO_WAYS)
    assert {item.action.value for item in again.changes} == {"keep"}
    assert (again.first, again.then, again.effects) == ((), (), ())


def test_commands_are_those_of_what_changes_in_their_order(tmp_path, ran, monkeypatch):
    place = place_of(str(tmp_path))
    first = prepare(place, wanted(), NO_WAYS)
    assert [" ".join(words) for words in (*first.first, *first.then)] == [
        "systemd-sysusers /etc/sysusers.d/llmgen.conf",
        "udevadm control --reload",
        "udevadm trigger --subsystem-match=kfd --subsystem-match=drm",
        "systemctl daemon-reload",
        "systemctl enable nft-llmgen.service",
        "systemctl restart nft-llmgen.service",
    ]
    perform(place, first)
    assert ran == []
    gone = prepare(place, (), NO_WAYS)
    assert [" ".join(words) for words in gone.first] == [
        "systemctl disable --now nft-llmgen.service"
    ]
    assert [" ".join(words) for words in gone.then] == [
        "udevadm control --reload",
        "udevadm trigger --subsystem-match=kfd --subsystem-match=drm",
        "systemctl daemon-reload",
    ]
    assert [str(path) for path, _ in gone.stays] == [
        "/etc/modprobe.d/llmgen.conf",
        "/etc/sysusers.d/llmgen.conf",
    ]


def test_a_daemon_that_changes_leaves_before_it_comes_again(tmp_path):
    place = place_of(str(tmp_path))
    install(place, wanted(machines.MODEL, "apple-silicon-128gb", MAC))
    more = MAC.replace("112", "113")
    changed = prepare(place, wanted(machines.MODEL, "apple-silicon-128gb", more), NO_WAYS)
    assert [words[:2] for words in (*changed.first, *changed.then)] == [
        ("launchctl", "bootout"),
        ("launchctl", "bootstrap"),
    ]
    gone = prepare(place, (), NO_WAYS)
    assert gone.then == (("sysctl", "iogpu.wired_limit_mb=0"),)


def test_a_command_that_fails_is_told_and_the_files_stay(tmp_path, monkeypatch):
    place = place_of(str(tmp_path))
    # Only the machine's own root runs anything.
    real = type(place)
    monkeypatch.setattr(
        host_files, "run", lambda words, seconds: ProgramResult(1, "", "no udevd\n")
    )
    found = prepare(place, wanted(machines.MODEL), NO_WAYS)
    said = [*host_files._run(found.then)]
    assert [item.code for item in said] == ["host.not-applied"] * 3
    assert "no udevd" in said[0].message
    assert isinstance(place, real)


def test_root_alone_changes_the_machine(tmp_path):
    with pytest.raises(InputError, match="by root"):
        refuse_user(place_of(None), 1000)
    refuse_user(place_of(None), 0)
    refuse_user(place_of(str(tmp_path)), 1000)
